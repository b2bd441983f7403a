//! Answers that come encoded although `identity` was asked for.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Undoes a content encoding chunk by chunk. The caller caps what comes out.
pub(crate) enum Decoder {
    Identity,
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

/// An encoding that nobody asked for and that is not undone here, or bytes that are not in it.
#[derive(Debug, thiserror::Error)]
#[error("the answer's content encoding cannot be undone")]
pub(crate) struct Undecodable;

impl Decoder {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Undecodable> {
        match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity" | b"") => Ok(Self::Identity),
            Some(b"gzip" | b"x-gzip") => Ok(Self::Gzip(GzDecoder::new(Vec::new()))),
            Some(b"deflate") => Ok(Self::Deflate(ZlibDecoder::new(Vec::new()))),
            Some(_) => Err(Undecodable),
        }
    }

    /// What a chunk decodes to; may be empty. At most `cap` bytes are decoded from one chunk.
    pub(crate) fn feed(&mut self, chunk: Bytes, cap: usize) -> Result<Bytes, Undecodable> {
        match self {
            Self::Identity => Ok(chunk),
            Self::Gzip(decoder) => decode(decoder, &chunk, cap, |decoder| std::mem::take(decoder.get_mut())),
            Self::Deflate(decoder) => {
                decode(decoder, &chunk, cap, |decoder| std::mem::take(decoder.get_mut()))
            }
        }
    }
}

/// Feeds small pieces, so that a bomb is noticed before it has gone off.
fn decode<D: Write>(
    decoder: &mut D,
    chunk: &[u8],
    cap: usize,
    mut take: impl FnMut(&mut D) -> Vec<u8>,
) -> Result<Bytes, Undecodable> {
    let mut out = Vec::new();
    for piece in chunk.chunks(1 << 10) {
        decoder.write_all(piece).and_then(|()| decoder.flush()).map_err(|_| Undecodable)?;
        out.append(&mut take(decoder));
        if out.len() > cap {
            return Err(Undecodable);
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoder(encoding: &'static str) -> Result<Decoder, Undecodable> {
        Decoder::of(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))]))
    }

    #[test]
    fn gzip_decodes_at_every_split() {
        let text = b"data: {\"a\":1}\n\ndata: [DONE]\n\n".repeat(20);
        let encoded = gzip(&text);
        for split in 0..encoded.len() {
            let mut decoder = decoder("gzip").unwrap();
            let (a, b) = encoded.split_at(split);
            let mut out = decoder.feed(Bytes::copy_from_slice(a), 1 << 20).unwrap().to_vec();
            out.extend(decoder.feed(Bytes::copy_from_slice(b), 1 << 20).unwrap());
            assert_eq!(out, text, "{split}");
        }
    }

    #[test]
    fn bombs_and_other_encodings_are_refused() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(decoder("gzip").unwrap().feed(bomb.into(), 1 << 20).is_err());
        assert!(decoder("br").is_err());
        assert!(
            decoder("gzip").unwrap().feed(Bytes::from_static(b"this was never compressed"), 100).is_err()
        );
    }
}
