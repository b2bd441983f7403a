//! Forwards a stream of events in the dialect it comes in, and reads on the way what the gateway has to know.
//!
//! Events leave as they came, but for the model's name, for the usage chunk if only the gateway asked for it, and for
//! what only one deployment can use. What is not touched is not copied.

mod chat;
mod failure;
mod messages;
mod progress;
mod responses;
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bulkhead_model::{Endpoint, Usage};
use bytes::BytesMut;

pub use failure::StreamFailure;

use crate::bound::{Edit, Sealing, edited, edits};
use crate::json::view::{is_object, part};
use crate::sse::{Boundary, Fields};
use progress::{Progress, Reading};
use template::{Hole, HoleKind, Match, Template};

/// How a stream is to be forwarded.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The endpoint, which decides the dialect of the events.
    pub endpoint: Endpoint,
    /// The model's name that the client shall see; `None` leaves the provider's.
    pub shown_model: Option<String>,
    /// Keep back the chunk that has only usage: the client did not ask for it.
    pub withhold_usage: bool,
    /// The longest event in bytes, its blank line included.
    pub max_event: usize,
}

/// Why a stream cannot be forwarded any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// An event is longer than allowed.
    #[error("an event of the stream is longer than {limit} bytes")]
    EventTooLarge {
        /// The longest event allowed, in bytes.
        limit: usize,
    },
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the dialect's end of a stream, or with all choices finished.
    Complete,
    /// Before that.
    Truncated,
}

/// What happens to an event.
enum Verdict {
    Forward,
    Withhold,
    /// Forward with the shown model in the place of this part of the raw event.
    Rename(Range<usize>),
    /// Forward with these edits of the raw event, which name the shown model, too.
    Seal(Vec<Edit>),
}

/// One stream on its way from a provider to a client.
pub struct Relay {
    endpoint: Endpoint,
    /// The shown model as JSON text.
    shown: Option<Box<[u8]>>,
    /// What becomes of texts that only one deployment can use.
    sealing: Option<Sealing>,
    withhold_usage: bool,
    max_event: usize,
    boundary: Boundary,
    partial: BytesMut,
    at_start: bool,
    ended: bool,
    /// Events with data so far.
    events: u64,
    progress: Progress,
    reading: Reading,
    template: Template,
}

impl Relay {
    /// A relay before the first byte.
    pub fn new(options: RelayOptions) -> Self {
        let RelayOptions { endpoint, shown_model, withhold_usage, max_event } = options;
        let json = |name: String| serde_json::Value::from(name).to_string().into_bytes().into_boxed_slice();
        Self {
            endpoint,
            shown: shown_model.map(json),
            sealing: None,
            withhold_usage,
            max_event,
            boundary: Boundary::default(),
            partial: BytesMut::new(),
            at_start: true,
            ended: false,
            events: 0,
            progress: Progress::default(),
            reading: Reading::default(),
            template: Template::default(),
        }
    }

    /// Ids of responses and encrypted contents leave sealed.
    #[must_use]
    pub fn sealing(mut self, sealing: Option<Sealing>) -> Self {
        self.sealing = sealing;
        self
    }

    /// Takes the next bytes of the provider's body and appends what may be forwarded to `out`: every event that is
    /// complete now. Also when it fails, the events before the failure are in `out`.
    pub fn feed(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), RelayError> {
        let mut at = 0;
        if !self.partial.is_empty() {
            let Some(length) = self.boundary.find(chunk) else { return self.hold(chunk) };
            self.partial.extend_from_slice(part(chunk, 0..length));
            let event = self.partial.split();
            self.check(event.len())?;
            let verdict = match self.template.matches(&event) {
                Some(found) if found.length == event.len() => self.repeated(found),
                _ => self.event(&event),
            };
            self.pass(&event, verdict, out);
            at = length;
        }
        while at < chunk.len() {
            // Nothing is held back here, so what is ahead starts with an event.
            let ahead = part(chunk, at..chunk.len());
            let (length, verdict) = if let Some(found) = self.template.matches(ahead) {
                self.check(found.length)?;
                (found.length, self.repeated(found))
            } else {
                let Some(length) = self.boundary.find(ahead) else { return self.hold(ahead) };
                self.check(length)?;
                (length, self.event(part(ahead, 0..length)))
            };
            self.pass(part(ahead, 0..length), verdict, out);
            at += length;
        }
        Ok(())
    }

    /// Ends the stream. An event whose blank line is missing counts, and is forwarded as it is, when its data is
    /// whole; otherwise its bytes are dropped.
    pub fn finish(&mut self, out: &mut BytesMut) -> End {
        let rest = self.partial.split();
        self.ended = true;
        let is_whole = self.boundary == Boundary::Blank || {
            let fields = Fields::parse(&rest, self.at_start);
            let data = fields.data(&rest);
            is_object(&data) || data.trim_ascii() == b"[DONE]"
        };
        if is_whole && !rest.is_empty() {
            let before = out.len();
            let verdict = self.event(&rest);
            self.pass(&rest, verdict, out);
            // What a blank line does not end is an event only where nothing is to follow it.
            let is_ended = self.boundary == Boundary::Blank;
            if !is_ended && !self.is_complete() && self.failure().is_none() {
                out.truncate(before);
            }
        }
        if self.is_complete() { End::Complete } else { End::Truncated }
    }

    /// True once there was something that a user would see or act on. Role deltas, `message_start`, pings and
    /// comments are not.
    pub fn has_content(&self) -> bool {
        self.progress.has_content
    }

    /// How many events with data there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The first error event.
    pub fn failure(&self) -> Option<&StreamFailure> {
        self.progress.failure.as_ref()
    }

    /// The usage reported so far.
    pub fn usage(&self) -> Option<Usage> {
        self.progress.meter.usage()
    }

    /// True when that usage covers the whole answer.
    pub fn usage_is_final(&self) -> bool {
        self.progress.meter.is_final() || (self.usage().is_some() && self.is_complete())
    }

    /// True when nothing is missing: the dialect's end was there or, without `[DONE]`, the body is over and every
    /// choice was finished.
    pub fn is_complete(&self) -> bool {
        self.progress.complete || (self.ended && self.progress.choices.all_finished())
    }

    /// Bytes of text, reasoning and tool arguments generated so far, escapes as they are spelled. For estimates.
    pub fn content_bytes(&self) -> u64 {
        self.progress.content_bytes
    }

    /// Why the answer ended, in the dialect's own words; of several choices, the last one's.
    pub fn finish_reason(&self) -> Option<&str> {
        self.progress.finish.as_deref()
    }

    fn pass(&self, event: &[u8], verdict: Verdict, out: &mut BytesMut) {
        match verdict {
            Verdict::Forward => out.extend_from_slice(event),
            Verdict::Withhold => {}
            Verdict::Rename(model) => {
                out.extend_from_slice(part(event, 0..model.start));
                out.extend_from_slice(self.shown.as_deref().unwrap_or_default());
                out.extend_from_slice(part(event, model.end..event.len()));
            }
            Verdict::Seal(edits) => out.extend_from_slice(&edited(event, edits)),
        }
    }

    /// Keeps the beginning of an event until the rest is there.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), RelayError> {
        self.partial.extend_from_slice(bytes);
        self.check(self.partial.len())
    }

    fn check(&self, length: usize) -> Result<(), RelayError> {
        if length > self.max_event {
            Err(RelayError::EventTooLarge { limit: self.max_event })
        } else {
            Ok(())
        }
    }

    fn repeated(&mut self, found: Match) -> Verdict {
        self.events += 1;
        self.progress.content(found.content);
        found.model.map_or(Verdict::Forward, Verdict::Rename)
    }

    fn event(&mut self, raw: &[u8]) -> Verdict {
        let fields = Fields::parse(raw, std::mem::take(&mut self.at_start));
        if !fields.has_data() {
            return Verdict::Forward;
        }
        self.events += 1;
        let (event, data) = (fields.event(raw), fields.data(raw));
        self.reading.clear();
        let read = match self.endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => chat::read,
            Endpoint::Responses => responses::read,
            Endpoint::Messages | Endpoint::CountTokens => messages::read,
            // Not relayed here: `translate::Stream::verbatim`.
            Endpoint::GenerateContent | Endpoint::Converse | Endpoint::CohereChat | Endpoint::OllamaChat => {
                return Verdict::Forward;
            }
            // These do not stream.
            Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::GeminiCountTokens
            | Endpoint::CohereEmbed
            | Endpoint::InvokeEmbeddings
            | Endpoint::PredictEmbeddings
            | Endpoint::BedrockCountTokens => return Verdict::Forward,
        };
        read(&data, event, &mut self.progress, &mut self.reading);
        if self.reading.only_usage && self.withhold_usage {
            return Verdict::Withhold;
        }
        let model =
            self.reading.model.clone().filter(|range| {
                self.shown.as_deref().is_some_and(|shown| part(&data, range.clone()) != shown)
            });
        if self.reading.repeats {
            self.learn(raw, &fields, model.clone());
        }
        let sealed = self.sealed(&data, &fields);
        match model.and_then(|range| fields.to_raw(range)) {
            None if sealed.is_empty() => Verdict::Forward,
            None => Verdict::Seal(sealed),
            Some(range) if sealed.is_empty() => Verdict::Rename(range),
            Some(range) => {
                let json = self.shown.as_deref().unwrap_or_default().to_vec();
                Verdict::Seal(sealed.into_iter().chain([Edit { range, json }]).collect())
            }
        }
    }

    /// The edits of the raw event that seal what its data holds.
    fn sealed(&mut self, data: &[u8], fields: &Fields) -> Vec<Edit> {
        let Some(sealing) = self.sealing.as_ref().filter(|_| !self.reading.bound.is_empty()) else {
            return Vec::new();
        };
        let in_data = edits(data, std::mem::take(&mut self.reading.bound), sealing);
        let in_raw = |edit: Edit| Some(Edit { range: fields.to_raw(edit.range)?, ..edit });
        in_data.into_iter().filter_map(in_raw).collect()
    }

    fn learn(&mut self, raw: &[u8], fields: &Fields, model: Option<Range<usize>>) {
        let holes = &mut self.reading.holes;
        holes.extend(model.map(|range| Hole { range, kind: HoleKind::Model }));
        for hole in holes.iter_mut() {
            let Some(range) = fields.to_raw(hole.range.clone()) else { return };
            hole.range = range;
        }
        holes.sort_unstable_by_key(|hole| hole.range.start);
        self.template.learn(raw, holes);
    }
}
