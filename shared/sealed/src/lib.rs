//! What a node keeps on disk and nobody else should read or change: files of encrypted, chained frames.

mod frames;
mod keys;

pub use frames::{Damage, Frames, HEADER, Kind, Name, Seal, Sealed, Writer};
pub use keys::{NotAStateKey, StateKey, StateKeys};
