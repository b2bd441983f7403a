//! Plain types that both planes speak: ids, key hashes, secrets, money, limits, budget windows and error kinds.
//!
//! Nothing here does I/O, knows a wire format or depends on a runtime.

pub mod clock;
pub mod decimal;
pub mod duration;
pub mod error;
pub mod hash;
pub mod money;
pub mod network;
pub mod presented;
pub mod random;
pub mod redact;
pub mod route;
pub mod routing;
pub mod rows;
pub mod secret;
pub mod usage;
pub mod virtual_key;
pub mod window;

pub use clock::{Clock, UnixMillis};
pub use decimal::Decimal;
pub use duration::{DurationError, WindowLength};
pub use error::{ErrorKind, ErrorSource};
pub use hash::KeyHash;
pub use money::{NanoUsd, PicoUsd};
pub use network::Network;
pub use route::{Dialect, Endpoint};
pub use secret::Secret;
pub use usage::Usage;
pub use window::Window;
