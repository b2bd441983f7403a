//! Everything that was ever found stays found.

use std::path::{Path, PathBuf};

use bulkhead_testkit::{corpus, recordings};

use super::checks::Target;
use super::seeds::inputs;

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Says which input it was: a panic of a check does not know.
fn check(target: Target, input: &[u8], name: &str) {
    let checked = std::panic::catch_unwind(|| target.check(input));
    assert!(checked.is_ok(), "{}: {name}", target.name());
}

#[test]
fn what_the_fuzzer_kept_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for target in Target::all() {
        let files = files(&root.join(target.name()));
        assert!(!files.is_empty(), "{} has no corpus", target.name());
        for file in files {
            check(target, &std::fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
}

#[test]
fn recordings_hold() {
    for recording in recordings(&corpus()) {
        for (target, input) in inputs(&recording) {
            // They take a hundred times as long as the others, and recordings are much alike.
            if matches!(target, Target::Linear(_)) && input.len() % 16 != 0 {
                continue;
            }
            check(target, &input, &recording.id);
        }
    }
}
