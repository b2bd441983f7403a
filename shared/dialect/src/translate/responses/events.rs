//! Events of a stream, and their numbers. An answer in one piece has none.

use bytes::BytesMut;

use super::super::write::{self, Fields};
use super::part::Open;

/// Writes events.
pub(super) struct Events {
    pub(super) streams: bool,
    next: u64,
}

/// Where in an item something is.
pub(super) type Place = (&'static str, u64);

impl Events {
    pub(super) fn new(streams: bool) -> Self {
        Self { streams, next: 0 }
    }

    pub(super) fn write(&mut self, kind: &str, out: &mut BytesMut, fill: impl FnOnce(&mut Fields<'_>)) {
        if !self.streams {
            return;
        }
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        write::object(out, |data| {
            data.text("type", kind);
            data.number("sequence_number", self.next);
            fill(data);
        });
        out.extend_from_slice(b"\n\n");
        self.next += 1;
    }

    /// An event of an item: which it is, and where in it.
    pub(super) fn within(
        &mut self,
        kind: &str,
        item: &Open,
        place: Option<Place>,
        out: &mut BytesMut,
        fill: impl FnOnce(&mut Fields<'_>),
    ) {
        self.write(kind, out, |data| {
            data.text("item_id", &item.id);
            data.number("output_index", item.index);
            if let Some((name, number)) = place {
                data.number(name, number);
            }
            fill(data);
        });
    }

    /// An event that shows an item: that it is there, or that it is done.
    pub(super) fn item(&mut self, kind: &str, index: u64, item: &[u8], out: &mut BytesMut) {
        self.write(kind, out, |data| {
            data.number("output_index", index);
            data.raw("item", item);
        });
    }
}
