//! The head of an answer.
//!
//! Where two readers could take a head for two different things, it is refused: what is read wrong once is another
//! request's answer the next time.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use httparse::{Header, ParserConfig, Status};

use super::error::Http1Error;
use super::framing::{Chunks, Framing};

/// The largest head.
pub(super) const LARGEST: usize = 64 << 10;
/// The most headers.
const HEADERS: usize = 128;

/// What a head says.
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) framing: Framing,
    /// The connection may carry another request, as far as the head says.
    pub(super) persistent: bool,
}

/// Where the head ends; no blank line begins before `from`.
pub(super) fn end(text: &[u8], from: usize) -> Option<usize> {
    let lines = memchr::memchr_iter(b'\n', text.get(from..)?);
    lines.map(|newline| from + newline + 1).find_map(|next| match text.get(next..)? {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Reads a whole head; `None` for a word before the answer (1xx), which says nothing that is forwarded.
pub(super) fn parse(text: &[u8], method: &Method) -> Result<Option<Head>, Http1Error> {
    // One allocation, which all values share.
    let text = Bytes::copy_from_slice(text);
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS];
    let mut head = httparse::Response::new(&mut []);
    match ParserConfig::default().parse_response_with_uninit_headers(&mut head, &text, &mut room) {
        Ok(Status::Complete(len)) if len == text.len() => {}
        Ok(_) => return Err(Http1Error::Head("it ends before its end")),
        Err(httparse::Error::TooManyHeaders) => return Err(Http1Error::Head("too many headers")),
        Err(_) => return Err(Http1Error::Head("it cannot be parsed")),
    }
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Http1Error::Head("no status"))?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Http1Error::Head("another protocol that nobody asked for"));
    }
    if status.is_informational() {
        return Ok(None);
    }
    let (headers, said) = headers(head.headers, &text)?;
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let framing = said.framing(status, version, method)?;
    let persistent = framing != Framing::UntilClose && said.persistent(version);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = headers;
    Ok(Some(Head { response, framing, persistent }))
}

fn headers(parsed: &[Header<'_>], text: &Bytes) -> Result<(HeaderMap, Said), Http1Error> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    let mut said = Said::default();
    for header in parsed {
        let bad = |_| Http1Error::Head("a bad header");
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(bad)?;
        let value = HeaderValue::from_maybe_shared(text.slice_ref(header.value))
            .map_err(|_| Http1Error::Head("a bad value of a header"))?;
        said.note(&name, value.as_bytes())?;
        headers.append(name, value);
    }
    Ok((headers, said))
}

/// What the headers say of the body and the connection.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Said {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Http1Error> {
        if *name == CONTENT_LENGTH {
            let length = length(value).ok_or(Http1Error::Head("a content-length that is no number"))?;
            if self.length.replace(length).is_some() {
                return Err(Http1Error::Head("more than one content-length"));
            }
        } else if *name == TRANSFER_ENCODING {
            // Whatever else there is, nobody can tell where such a body ends.
            if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut self.chunked, true) {
                return Err(Http1Error::Head("a transfer-encoding other than chunked"));
            }
        } else if *name == CONNECTION {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    fn framing(&self, status: StatusCode, version: Version, method: &Method) -> Result<Framing, Http1Error> {
        if self.chunked && self.length.is_some() {
            return Err(Http1Error::Head("both content-length and transfer-encoding"));
        }
        if self.chunked && version == Version::HTTP_10 {
            return Err(Http1Error::Head("transfer-encoding, which HTTP/1.0 does not have"));
        }
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match self.length {
            _ if bodiless || *method == Method::HEAD => Framing::END,
            _ if self.chunked => Framing::Chunked(Chunks::default()),
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }

    fn persistent(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// Digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}
