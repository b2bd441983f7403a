//! A folder of files as Kubernetes mounts a Secret or a ConfigMap: `NAME -> ..data/NAME`, and `..data` is a link to a
//! folder that is swapped for another one in one step.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The folder.
pub struct Mounted {
    dir: PathBuf,
    versions: u32,
}

impl Mounted {
    /// Mounts these files in a folder that is there.
    pub fn at(dir: &Path, files: &[(&str, &str)]) -> Self {
        let mut mounted = Self { dir: dir.to_owned(), versions: 0 };
        mounted.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mounted.path(name)).expect("a link can be made");
        }
        mounted
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Replaces the content of all files in one step.
    pub fn swap(&mut self, files: &[(&str, &str)]) {
        let before = self.folder();
        self.versions += 1;
        let folder = self.folder();
        std::fs::create_dir(&folder).expect("a folder can be made");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("a file can be written");
        }
        let fresh = self.path("..data_tmp");
        symlink(&folder, &fresh).expect("a link can be made");
        std::fs::rename(fresh, self.path("..data")).expect("a link can be replaced");
        if self.versions > 1 {
            std::fs::remove_dir_all(before).expect("what was mounted before can be removed");
        }
    }

    fn folder(&self) -> PathBuf {
        self.path(&format!("..2026_{}", self.versions))
    }
}
