//! The file and what it includes, as one tree.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::Source;
use crate::problem::{Place, Report};
use crate::yaml::{self, Entry, Map, Node, Value};

/// Far above any real file; the parser keeps the whole text in memory several times over.
const MAX_BYTES: usize = 8 << 20;

/// What was read.
pub(crate) struct Tree {
    /// The root mapping, includes merged in.
    pub(crate) root: Map,
    /// The file and its includes, in the order of reading.
    pub(crate) files: Vec<PathBuf>,
    /// False when a file could not be read or is not YAML: what refers to it cannot be judged.
    pub(crate) complete: bool,
}

/// Reads the file and its includes.
pub(crate) fn read(path: &Path, source: &Source<'_>, report: &mut Report) -> Tree {
    let mut reader = Reader { source, report, files: Vec::new(), open: Vec::new(), complete: true };
    let root = reader.file(&relative(Path::new(""), path), None).unwrap_or_default();
    Tree { root, complete: reader.complete, files: reader.files }
}

struct Reader<'r, 's> {
    source: &'r Source<'s>,
    report: &'r mut Report,
    files: Vec<PathBuf>,
    /// The chain of includes that is being read.
    open: Vec<PathBuf>,
    complete: bool,
}

/// Where an `include` stands.
struct Asked<'p> {
    place: Place,
    path: &'p str,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, asked: Option<&Asked<'_>>) -> Option<Map> {
        let file = self.report.add_file(path.display().to_string());
        self.files.push(path.to_owned());
        let start = Place { file, line: 1, column: 1 };
        let text = match (self.source.read)(path) {
            Ok(text) if text.len() <= MAX_BYTES => text,
            Ok(_) => return self.refuse(start, "", "the file is larger than 8 MiB".into(), "a smaller file"),
            Err(error) => return self.unreadable(path, &error, start, asked),
        };
        let Some(node) = yaml::parse(&text, file, self.report) else {
            self.complete = false;
            return None;
        };
        let place = node.place;
        let Some(map) = as_map(node) else {
            let remedy = "sections such as `model_list:` and `general_settings:`";
            return self.refuse(place, "", "the file must hold a mapping of sections".into(), remedy);
        };
        self.open.push(path.to_owned());
        let map = self.with_includes(map, path);
        self.open.pop();
        Some(map)
    }

    fn refuse(&mut self, place: Place, path: &str, what: String, remedy: &str) -> Option<Map> {
        self.report.error(place, path, what, remedy);
        self.complete = false;
        None
    }

    fn unreadable(
        &mut self,
        path: &Path,
        error: &io::Error,
        start: Place,
        asked: Option<&Asked<'_>>,
    ) -> Option<Map> {
        let what = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file `{}`", path.display()),
            io::ErrorKind::InvalidData => format!("`{}` is not UTF-8 text", path.display()),
            kind => format!("`{}` cannot be read: {kind}", path.display()),
        };
        match asked {
            Some(asked) => {
                let remedy = "a path relative to the file that holds the `include`";
                self.refuse(asked.place, asked.path, what, remedy)
            }
            None => self.refuse(start, "", what, "the path of a readable configuration file"),
        }
    }

    fn with_includes(&mut self, mut map: Map, path: &Path) -> Map {
        let Some(entry) = map.get("include").cloned() else { return map };
        map.entries.retain(|entry| entry.key != "include");
        let names = match entry.value.value {
            Value::List(names) => names,
            _ if entry.value.is_null() => return map,
            _ => {
                let what = "expected a list of files";
                self.report.error(entry.value.place, "include", what, "include: [models.yaml]");
                return map;
            }
        };
        for (index, name) in names.iter().enumerate() {
            let field = format!("include[{index}]");
            let asked = Asked { place: name.place, path: &field };
            if let Some(included) = self.include(name, path, &asked) {
                overlay(&mut map, included);
            }
        }
        map
    }

    fn include(&mut self, name: &Node, from: &Path, asked: &Asked<'_>) -> Option<Map> {
        let Value::Scalar(name) = &name.value else {
            return self.refuse(asked.place, asked.path, "expected the path of a file".into(), "models.yaml");
        };
        let path = relative(from, &name.text);
        if self.open.contains(&path) {
            let what = format!("`{}` includes itself, directly or through another file", path.display());
            return self.refuse(asked.place, asked.path, what, "includes without a circle");
        }
        if self.files.contains(&path) {
            let what =
                format!("`{}` is included twice, which would declare everything twice", path.display());
            return self.refuse(asked.place, asked.path, what, "each file once");
        }
        self.file(&path, Some(asked))
    }
}

fn as_map(node: Node) -> Option<Map> {
    match node.value {
        Value::Map(map) => Some(map),
        _ if node.is_null() => Some(Map::default()),
        _ => None,
    }
}

/// Lists are joined, mappings merged one level deep, anything else replaced by the include's.
fn overlay(map: &mut Map, included: Map) {
    for entry in included.entries {
        let Some(old) = map.entries.iter_mut().find(|old| old.key == entry.key) else {
            map.entries.push(entry);
            continue;
        };
        let Entry { key, place, value } = entry;
        match (&mut old.value.value, value.value) {
            (Value::List(items), Value::List(more)) => items.extend(more),
            (Value::Map(map), Value::Map(more)) => more.entries.into_iter().for_each(|entry| map.put(entry)),
            (_, other) => *old = Entry { key, place, value: Node { place: value.place, value: other } },
        }
    }
}

/// `name` as seen from the folder of `from`, with `.` and `..` resolved so that one file has one spelling.
fn relative(from: &Path, name: impl AsRef<Path>) -> PathBuf {
    let mut path = PathBuf::new();
    for part in from.parent().unwrap_or(Path::new("")).join(name).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(path.components().next_back(), Some(Component::Normal(_))) => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}
