//! Where snapshots come from: in a standalone gateway, the configuration file.

mod file;
mod watch;

pub(crate) use file::{FileSource, Reloads};
pub(crate) use watch::watch;
