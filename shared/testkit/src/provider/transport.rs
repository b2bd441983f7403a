//! What happens to an answer's bytes below its events: compression, and cuts inside characters.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::plan::{Chunk, Step};

/// Compresses a whole body.
pub(crate) fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into a vector cannot fail.
    let _ = encoder.write_all(body);
    Bytes::from(encoder.finish().unwrap_or_default())
}

/// Compresses a stream so that every event can be read as soon as it has arrived.
pub(crate) fn gzip_each(steps: Vec<Step>) -> Vec<Step> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut packed: Vec<Step> = Vec::with_capacity(steps.len() + 1);
    let last = steps.iter().rposition(|step| matches!(step, Step::Send(_)));
    for (index, step) in steps.into_iter().enumerate() {
        let Step::Send(chunk) = step else {
            packed.push(step);
            continue;
        };
        let _ = encoder.write_all(&chunk.bytes);
        let _ = if Some(index) == last { encoder.try_finish() } else { encoder.flush() };
        let bytes = Bytes::from(std::mem::take(encoder.get_mut()));
        packed.push(Step::Send(Chunk { bytes, ..chunk }));
    }
    packed
}

/// Cuts inside every character that has more than one byte, with a write of its own for each part.
pub(crate) fn tear(steps: Vec<Step>) -> Vec<Step> {
    let mut torn = Vec::with_capacity(steps.len() * 4);
    for step in steps {
        match step {
            Step::Send(chunk) => tear_chunk(chunk, &mut torn),
            other => torn.push(other),
        }
    }
    torn
}

fn tear_chunk(chunk: Chunk, torn: &mut Vec<Step>) {
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let cuts: Vec<usize> =
        chunk.bytes.iter().enumerate().filter(|(_, byte)| is_inside(byte)).map(|(at, _)| at).collect();
    let mut rest = chunk.bytes.clone();
    let mut gone = 0;
    for cut in cuts {
        torn.push(Step::Send(Chunk { bytes: rest.split_to(cut - gone), ..Chunk::default() }));
        torn.push(Step::Flush);
        gone = cut;
    }
    torn.push(Step::Send(Chunk { bytes: rest, ..chunk }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_chunk_is_cut_inside_each_character_and_nothing_is_lost() {
        let text = "aé漢🦀b";
        let chunk = Chunk { bytes: Bytes::from(text), content: 5, ..Chunk::default() };
        let mut parts = Vec::new();
        let mut content = 0;
        for step in tear(vec![Step::Send(chunk)]) {
            if let Step::Send(chunk) = step {
                content += chunk.content;
                parts.push(chunk.bytes);
            }
        }
        assert_eq!(parts.len(), 7);
        assert_eq!((parts.concat(), content), (text.as_bytes().to_vec(), 5));
    }
}
