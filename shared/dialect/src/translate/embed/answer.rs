//! What comes back, whatever the dialect.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_model::Usage;
use bytes::{BufMut, BytesMut};

use super::super::json::items;

/// Vectors as the provider spells them, and what it counted.
#[derive(Debug, Default)]
pub(super) struct Vectors<'a> {
    pub(super) vectors: Vec<&'a [u8]>,
    pub(super) usage: Option<Usage>,
}

/// Writes a vector as base64 of its numbers as 32-bit floats, little end first. `None` where it holds something else.
pub(super) fn write_base64(vector: &[u8], out: &mut BytesMut) -> Option<()> {
    let floats = items(vector).map(|number| std::str::from_utf8(number).ok()?.parse::<f32>().ok());
    let bytes: Vec<u8> = floats.collect::<Option<Vec<_>>>()?.into_iter().flat_map(f32::to_le_bytes).collect();
    out.put_u8(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.put_u8(b'"');
    Some(())
}
