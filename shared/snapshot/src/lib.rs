//! The snapshot: everything declared, compiled into what a request needs.
//!
//! Both planes compile with this crate, so that what the control plane accepts is what a data plane can run. A
//! snapshot is immutable; a request reads one from its first byte to its last (design §4). Everything derived
//! (aliases, wildcards, provider sets, prices) is built here, before the swap.

mod access;
mod compile;
mod deployment;
mod key;
mod models;
mod pattern;

pub use access::{ModelAccess, RouteAccess};
pub use compile::{CompileError, Declared, Settings, Snapshot};
pub use deployment::{Deployment, Target, Timeouts};
pub use key::{Key, KeyTable};
pub use models::{Group, ModelTable, Resolved, Shown};
pub use pattern::Pattern;
