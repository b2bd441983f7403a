//! What nobody else should read or change: files of encrypted, chained frames that a node keeps on disk, and texts that
//! clients keep for it.

mod frames;
mod keys;
mod text;

pub use frames::{Damage, Frames, HEADER, Kind, Name, Seal, Sealed, Writer};
pub use keys::{NotAStateKey, StateKey, StateKeys};
pub use text::{NoTextKey, TextKey};
