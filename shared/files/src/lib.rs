//! Files that are read again when they change: whoever renews them needs no restart.

mod certificate;
mod watch;

pub use certificate::Certificate;
pub use watch::{LastRead, Reader, Stamp, Watch};
