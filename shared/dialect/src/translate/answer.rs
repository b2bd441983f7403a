//! Answers that come in one piece.

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::form::{Delta, Event};
use super::reader::Reader;
use super::writer::Writer;
use super::{AnswerOptions, Dialect, TranslateError, check};

/// An answer in the client's dialect, and what the gateway reads out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The body to send.
    pub body: Bytes,
    /// The usage reported.
    pub usage: Option<Usage>,
    /// The provider did not report it: it is estimated by length.
    pub is_estimate: bool,
    /// Why the answer ended, in the upstream's own words; of several choices, the last one's.
    pub finish_reason: Option<String>,
    /// Bytes of text, reasoning and tool arguments. For estimates.
    pub content_bytes: u64,
}

/// Translates an answer from the upstream's dialect into the client's.
pub fn answer(
    upstream: Dialect,
    client: Dialect,
    body: &[u8],
    options: AnswerOptions,
) -> Result<Answered, TranslateError> {
    check(body)?;
    let mut reader = Reader::new(upstream, &options);
    let mut writer = Writer::new(client, options, false).ok_or(TranslateError::NoClient)?;
    let mut out = BytesMut::new();
    let (mut content_bytes, mut failed) = (0u64, false);
    let found = reader.whole(body, &mut |event: Event<'_>| {
        if let Event::More { delta, .. } = &event {
            content_bytes = content_bytes.saturating_add(delta_bytes(delta));
        }
        failed |= writer.write(event, &mut out).is_some();
    });
    if !found || failed {
        return Err(TranslateError::NoAnswer);
    }
    Ok(Answered {
        body: writer.into_whole(),
        usage: reader.meter().usage(),
        is_estimate: false,
        finish_reason: reader.finish_reason().map(str::to_owned),
        content_bytes,
    })
}

/// The usage that an answer reports.
pub(crate) fn measure(upstream: Dialect, body: &[u8]) -> Option<Usage> {
    check(body).ok()?;
    let mut reader = Reader::new(upstream, &AnswerOptions::default());
    reader.whole(body, &mut |_| {});
    reader.meter().usage()
}

pub(super) fn delta_bytes(delta: &Delta<'_>) -> u64 {
    u64::try_from(delta.bytes()).unwrap_or(u64::MAX)
}
