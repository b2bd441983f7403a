//! The snapshot: everything declared, compiled into what a request needs.
//!
//! Both planes compile with this crate, so that what the control plane accepts is what a data plane can run. A
//! snapshot is immutable; a request reads one from its first byte to its last (design §4). Everything derived
//! (aliases, wildcards, provider sets, prices) is built here, before the swap.

mod access;
mod account;
mod address;
mod catalog;
mod compile;
mod deployment;
pub mod disk;
mod headers;
mod identity;
mod key;
mod models;
mod packed;
mod path;
mod pattern;
mod policy;
mod principal;
mod rates;
mod routing;
mod settings;
mod site;
mod stored;
mod table;
mod timeouts;
mod version;
pub mod wire;

pub use access::{ModelAccess, RouteAccess};
pub use address::Target;
pub use catalog::{Catalog, Full, Incoming, Refused};
pub use compile::{CompileError, Declared, Snapshot, check_deployment};
pub use deployment::Deployment;
pub use identity::Identity;
pub use key::{Key, Keys};
pub use models::{Group, ModelTable, Resolved, Shown};
pub use pattern::Pattern;
pub use policy::{Policy, Said};
pub use principal::{Member, Team, User, id as member_id};
pub use routing::{FallbackKind, Routing, chain_of};
pub use settings::{Listener, Settings};
pub use site::Site;
pub use table::{Keyed, Table};
pub use timeouts::Timeouts;
pub use version::{Digest, Version, digest_of_delta, digest_of_items};
