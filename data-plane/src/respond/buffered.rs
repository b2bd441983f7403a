//! Answers in one piece.

use std::ops::Range;

use bulkhead_dialect::answer;
use bulkhead_dialect::bound::{Edit, Sealing, edited, seal};
use bulkhead_dialect::json::Segments;
use bulkhead_model::{Endpoint, ErrorKind};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::Failed;
use super::decode::{Decoder, Undecodable};
use super::out::{OutBody, Through};
use super::translation::Translation;
use crate::apart::apart;
use crate::attempt::{Waits, bad_answer, connection_lost, stream_refusal, timed_out};
use crate::fault::Fault;
use crate::settle::Settle;
use crate::upstream::AnswerBody;

/// Larger answers are forwarded as they come (design §5).
const HELD: usize = 16 << 20;
const UNREADABLE: &str = "the answer could not be read";

/// What to do with an answer that was read.
pub(crate) struct Buffered {
    pub(crate) body: OutBody,
    pub(crate) settle: Option<Box<Settle>>,
    /// What it says was used is estimated.
    pub(crate) is_estimate: bool,
}

impl Buffered {
    /// The leg, wherever it is by now.
    pub(crate) fn settle(&self) -> Option<&Settle> {
        match &self.body {
            OutBody::Through(through) => Some(&through.settle),
            _ => self.settle.as_deref(),
        }
    }
}

/// How an answer in one piece is read and given.
pub(crate) struct AnswerTerms {
    /// The provider's endpoint.
    pub(crate) upstream: Endpoint,
    /// Where the client speaks another dialect.
    pub(crate) translation: Option<Translation>,
    /// Where they speak the same: what becomes of what only the deployment can use.
    pub(crate) sealing: Option<Sealing>,
    pub(crate) expose_auth: bool,
}

/// Reads a whole answer, puts the model's name back and reads the usage.
pub(crate) async fn buffered(
    decoder: Result<Decoder, Undecodable>,
    mut body: AnswerBody,
    mut settle: Box<Settle>,
    waits: &Waits,
    terms: AnswerTerms,
) -> Result<Buffered, Failed> {
    let deployment = settle.exchange.routed.deployment.clone();
    let Ok(mut decoder) = decoder else { return Err(unreadable(settle)) };
    let read = match gather(&mut decoder, &mut body, &mut settle, waits).await {
        Ok(read) => read,
        Err(fault) => return Err(Failed { fault, settle }),
    };
    if read.len() > HELD {
        if !matches!(decoder, Decoder::Identity) || terms.translation.is_some() {
            return Err(unreadable(settle));
        }
        let (waits, deadline) = (*waits, Box::pin(tokio::time::sleep_until(waits.next_byte())));
        let through = Through {
            first: read.into_chunks(),
            rest: body,
            passed: 0,
            settle,
            waits,
            deadline,
            ended: false,
        };
        let body = OutBody::Through(Box::new(through));
        return Ok(Buffered { body, settle: None, is_estimate: false });
    }
    let shown = settle.exchange.clone();
    let AnswerTerms { upstream, translation, sealing, expose_auth } = terms;
    let understood = apart(read.len(), move || {
        let text = read.into_bytes();
        let answer = answer::read(upstream, &text)?;
        match translation {
            Some(_) if answer.failure.is_some() => Some((answer, text)),
            Some(translation) => translation.answer(&text, shown.shown()),
            None => {
                let text = shown_to_client(text, answer.model.clone(), shown.shown(), sealing.as_ref());
                Some((answer, text))
            }
        }
    });
    let Some((answer, text)) = understood.await.flatten() else {
        return Err(unreadable(settle));
    };
    if let Some(failure) = &answer.failure {
        let fault = stream_refusal(failure, &deployment, expose_auth);
        settle.report(answer.usage, true);
        settle.refused_by(&fault);
        return Err(Failed { fault, settle });
    }
    if answer.usage.is_none() {
        settle.produced(answer.produced);
    }
    let is_estimate = answer.is_estimate;
    settle.report(answer.usage, !is_estimate);
    settle.complete();
    Ok(Buffered { body: OutBody::full(text), settle: Some(settle), is_estimate })
}

/// Reads an answer up to its end, or until it is longer than what is held.
async fn gather(
    decoder: &mut Decoder,
    body: &mut AnswerBody,
    settle: &mut Settle,
    waits: &Waits,
) -> Result<Segments, Box<Fault>> {
    let deployment = settle.exchange.routed.deployment.clone();
    let mut read = Segments::default();
    while read.len() <= HELD {
        let deadline = waits.next_byte();
        let chunk = match timeout_at(deadline, std::future::poll_fn(|cx| body.poll_chunk(cx))).await {
            Err(_) => {
                settle.fail(ErrorKind::UpstreamTimeout);
                return Err(timed_out(waits, waits.limit_at(deadline)));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                tracing::debug!(deployment = %deployment.id, %error, "the provider's answer broke off");
                settle.fail(ErrorKind::UpstreamConnection);
                return Err(connection_lost(&deployment));
            }
            Ok(Some(Ok(chunk))) => decoder.feed(chunk, HELD).map_err(|_| not_readable(settle))?,
        };
        settle.heard(Instant::now());
        read.push(chunk);
    }
    Ok(read)
}

/// Reads an answer that others go on from.
pub(crate) async fn whole(
    answer: Response<AnswerBody>,
    settle: &mut Settle,
    waits: &Waits,
) -> Result<Bytes, Box<Fault>> {
    let (head, mut body) = answer.into_parts();
    let mut decoder = Decoder::of(&head.headers).map_err(|_| not_readable(settle))?;
    let read = gather(&mut decoder, &mut body, settle, waits).await?;
    if read.len() > HELD { Err(not_readable(settle)) } else { Ok(read.into_bytes()) }
}

fn not_readable(settle: &mut Settle) -> Box<Fault> {
    let fault = bad_answer(&settle.exchange.routed.deployment, UNREADABLE);
    settle.fail(fault.kind);
    fault
}

fn unreadable(settle: Box<Settle>) -> Failed {
    Failed::bad_answer(settle, UNREADABLE)
}

/// The answer with `model` set to the name that was asked for, and with what only the deployment can use sealed.
pub(crate) fn shown_to_client(
    text: Bytes,
    model: Option<Range<usize>>,
    asked: &str,
    sealing: Option<&Sealing>,
) -> Bytes {
    let quoted = serde_json::to_vec(asked).unwrap_or_default();
    let other = model.filter(|range| text.get(range.clone()).is_some_and(|old| old != quoted));
    let mut edits = sealing.map(|sealing| seal(&text, sealing)).unwrap_or_default();
    match other {
        None if edits.is_empty() => text,
        // The common case costs nothing more than the answer.
        Some(range) if edits.is_empty() => with_model(&text, range, &quoted),
        other => {
            edits.extend(other.map(|range| Edit { range, json: quoted }));
            edited(&text, edits).into()
        }
    }
}

fn with_model(text: &Bytes, range: Range<usize>, quoted: &[u8]) -> Bytes {
    let (before, after) = (text.get(..range.start), text.get(range.end..));
    // Exactly as long as it gets: room to spare would cost a second allocation.
    Bytes::from([before.unwrap_or_default(), quoted, after.unwrap_or_default()].concat())
}

/// An answer with this status and body.
pub(crate) fn response(status: StatusCode, headers: HeaderMap, body: OutBody) -> Response<OutBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
