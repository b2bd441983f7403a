//! Files and variables from maps: tests never read the real ones.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use bulkhead_config::{Declared, Problem, Problems, Source, load};

/// A master key that passes.
pub(crate) const MASTER_KEY: &str = "sk-3f9c1a7be05d42886cb17af3d9e0254b81c6f7da90e3b214";

#[derive(Clone)]
pub(crate) struct World {
    files: HashMap<String, String>,
    variables: HashMap<String, String>,
}

impl World {
    /// A file `gateway.yaml`; the master key is in the environment.
    pub(crate) fn new(yaml: &str) -> Self {
        let files = HashMap::from([("gateway.yaml".to_owned(), yaml.to_owned())]);
        let variables = HashMap::from([("LITELLM_MASTER_KEY".to_owned(), MASTER_KEY.to_owned())]);
        Self { files, variables }
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn load(&self) -> Result<Declared, Problems> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let source = Source {
            env: &|name| self.variables.get(name).cloned(),
            read: &|path: &Path| self.files.get(&path.display().to_string()).cloned().ok_or_else(missing),
        };
        load(Path::new("gateway.yaml"), &source)
    }

    /// What is declared; panics with the problems otherwise.
    pub(crate) fn declared(&self) -> Declared {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The problems; panics where there are none.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        match self.load() {
            Ok(_) => panic!("no problem was found"),
            Err(problems) => problems.0,
        }
    }
}

/// What a test expects of a problem: line, path, a part of the text, a part of the remedy.
pub(crate) type Expected<'e> = (u32, &'e str, &'e str, &'e str);

/// Compares problems one to one, in order.
pub(crate) fn assert_problems(problems: &[Problem], expected: &[Expected<'_>]) {
    let shown = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for (problem, (line, path, what, remedy)) in problems.iter().zip(expected) {
        let fits = problem.line == *line
            && problem.path == *path
            && problem.what.contains(what)
            && problem.remedy.contains(remedy);
        assert!(fits, "expected {line} {path}: {what} / {remedy}\nfound {problem}\n\nall:\n{shown}");
    }
    assert_eq!(problems.len(), expected.len(), "{shown}");
}
