//! What both planes do with a request's head before they look for its route: the path under which a front proxy has
//! them, browsers of other origins, and who it really came from. No I/O.

mod address;
mod cors;
mod given;
mod path;
mod root_path;

pub use address::client_address;
pub use cors::{Cors, Preflight};
pub use given::{cors, root_path};
pub use path::{decoded, is_canonical, is_canonical_with_name};
pub use root_path::RootPath;
