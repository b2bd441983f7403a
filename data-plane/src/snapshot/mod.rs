//! Where snapshots come from: in a standalone gateway the configuration file, else a control plane, and the last good
//! one from disk.

mod applier;
mod collect;
mod connect;
mod file;
mod follow;
mod heard;
mod link;
mod rejected;
mod subscribe;
mod watch;

pub(crate) use applier::Applier;
pub(crate) use connect::Connection;
pub(crate) use file::{FileSource, Reloads};
pub(crate) use follow::{Access, Follow};
pub(crate) use heard::age;
pub(crate) use link::{Link, Shown, Staleness};
pub(crate) use subscribe::{Subscriber, in_words};
pub(crate) use watch::watch;
