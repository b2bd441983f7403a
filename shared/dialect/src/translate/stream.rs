//! A stream on its way from a provider to a client of another dialect.
//!
//! Answers the questions that [`crate::relay::Relay`] answers, so that a caller can hold either.

use bulkhead_model::Usage;
use bytes::BytesMut;

use super::answer::delta_bytes;
use super::form::Event;
use super::framing::{Framing, Held};
use super::reader::Reader;
use super::writer::Writer;
use super::{AnswerOptions, Dialect, check};
use crate::invoke::one_line;
use crate::json::view::part;
use crate::relay::{End, RelayError, StreamFailure};

/// A stream that is translated event by event. What it keeps is bounded: one event of the provider, and of the answer
/// what an open block needs; for a client of responses the answer itself, up to 32 MiB, which the last event repeats.
pub struct Stream {
    max_event: usize,
    framing: Framing,
    partial: BytesMut,
    reader: Reader,
    /// Without one, events leave as they came.
    writer: Option<Writer>,
    progress: Progress,
}

#[derive(Default)]
struct Progress {
    has_content: bool,
    content_bytes: u64,
    failure: Option<StreamFailure>,
    complete: bool,
}

impl Progress {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::More { delta, .. } => {
                self.has_content = true;
                self.content_bytes = self.content_bytes.saturating_add(delta_bytes(delta));
            }
            Event::Finish { .. } => self.has_content = true,
            Event::Failed(failure) => self.failure = Some(failure.clone()),
            Event::End => self.complete = true,
            Event::Start(_) | Event::BlockEnd | Event::Usage(_) => {}
        }
    }
}

impl Stream {
    /// A stream before the first byte. In a dialect that no client speaks, events leave as they came.
    pub fn new(upstream: Dialect, client: Dialect, options: AnswerOptions) -> Self {
        let read = Self::verbatim(upstream, &options);
        Self { writer: Writer::new(client, options, true), ..read }
    }

    /// A stream to a client of the same dialect: events are read, and leave as they came.
    pub fn verbatim(dialect: Dialect, options: &AnswerOptions) -> Self {
        Self {
            max_event: options.max_event,
            framing: Framing::of(dialect),
            partial: BytesMut::new(),
            reader: Reader::new(dialect, options),
            writer: None,
            progress: Progress::default(),
        }
    }

    /// Takes the next bytes of the provider's body and appends what the client gets for them to `out`. Also when it
    /// fails, what came before the failure is in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), RelayError> {
        let mut at = 0;
        while at < chunk.len() {
            let ahead = part(chunk, at..chunk.len());
            let Some(length) = self.framing.find(ahead) else {
                self.partial.extend_from_slice(ahead);
                return self.check(self.partial.len());
            };
            let head = part(ahead, 0..length);
            self.check(self.partial.len() + length)?;
            if self.partial.is_empty() {
                self.event(head, out);
            } else {
                self.partial.extend_from_slice(head);
                let event = self.partial.split();
                self.event(&event, out);
            }
            at += length;
        }
        Ok(())
    }

    /// Ends the stream. An event whose blank line is missing counts when its data is whole. A stream that is cut is
    /// left without its dialect's end.
    pub fn finish(&mut self, out: &mut BytesMut) -> End {
        let rest = self.partial.split();
        if !rest.is_empty() && self.framing.is_whole(&rest) {
            self.event(&rest, out);
        }
        if !self.is_complete() && self.progress.failure.is_none() && self.reader.may_end() {
            let Self { reader, writer, progress, .. } = self;
            reader.end(&mut |event: Event<'_>| deliver(event, writer, progress, out));
        }
        if self.is_complete() { End::Complete } else { End::Truncated }
    }

    /// Tells the client in its own dialect that nothing follows, whoever failed. False where events leave as they came.
    pub fn fail(&mut self, failure: StreamFailure, out: &mut BytesMut) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        writer.write(Event::Failed(failure.clone()), out);
        self.progress.failure = Some(failure);
        true
    }

    /// True once there was something that a user would see or act on.
    pub fn has_content(&self) -> bool {
        self.progress.has_content
    }

    /// The provider's error. Its event in the client's dialect is in what was written.
    pub fn failure(&self) -> Option<&StreamFailure> {
        self.progress.failure.as_ref()
    }

    /// The usage reported so far.
    pub fn usage(&self) -> Option<Usage> {
        self.reader.meter().usage()
    }

    /// True when that usage covers the whole answer.
    pub fn usage_is_final(&self) -> bool {
        self.reader.meter().is_final() || (self.usage().is_some() && self.is_complete())
    }

    /// True when nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.progress.complete
    }

    /// Bytes of text, reasoning and tool arguments so far. For estimates.
    pub fn content_bytes(&self) -> u64 {
        self.progress.content_bytes
    }

    /// Why the answer ended, in the upstream's own words; of several choices, the last one's.
    pub fn finish_reason(&self) -> Option<&str> {
        self.reader.finish_reason()
    }

    fn check(&self, length: usize) -> Result<(), RelayError> {
        if length > self.max_event {
            Err(RelayError::EventTooLarge { limit: self.max_event })
        } else {
            Ok(())
        }
    }

    fn event(&mut self, raw: &[u8], out: &mut BytesMut) {
        if self.writer.is_none() {
            out.extend_from_slice(raw);
        }
        let Some(held) = self.framing.read(raw) else { return };
        if self.progress.complete || self.progress.failure.is_some() {
            return;
        }
        let (name, data) = match held {
            Held::Data { name, data } => (name, one_line(data)),
            Held::Failed(failure) => {
                if let Some(writer) = &mut self.writer {
                    writer.write(Event::Failed(failure.clone()), out);
                }
                self.progress.failure = Some(failure);
                return;
            }
        };
        // What is no JSON says nothing that could be translated; a comment or a foreign mark in between is harmless.
        if data.trim_ascii() != b"[DONE]" && check(&data).is_err() {
            return;
        }
        let Self { reader, writer, progress, .. } = self;
        reader.event(&data, name.as_deref(), &mut |event: Event<'_>| deliver(event, writer, progress, out));
    }
}

/// Writes an event, unless the stream is over.
fn deliver(event: Event<'_>, writer: &mut Option<Writer>, progress: &mut Progress, out: &mut BytesMut) {
    if progress.complete || progress.failure.is_some() {
        return;
    }
    progress.note(&event);
    if let Some(failure) = writer.as_mut().and_then(|writer| writer.write(event, out)) {
        progress.failure = Some(failure);
    }
}
