//! Events of the form → answers, in events or whole.

use bulkhead_model::Usage;
use bytes::{Bytes, BytesMut};

use super::super::AnswerOptions;
use super::super::form::{Citation, Delta, Event, Start};
use super::super::write::{self, Fields, USUAL_SIZE};
use super::candidate::{Call, Candidate, Piece};
use super::media::is_base64;
use super::usage::write_usage;
use crate::error::{ErrorBody, render_gemini};
use crate::relay::StreamFailure;

/// Most candidates that are written.
const MOST_CANDIDATES: usize = 128;

/// Most pages that a candidate names.
const MOST_PAGES: usize = 256;

/// Writes one answer.
pub(crate) struct Writer {
    options: AnswerOptions,
    streams: bool,
    id: String,
    model: String,
    /// Something is in the array already.
    began: bool,
    candidates: Vec<Candidate>,
    usage: Option<Usage>,
}

impl Writer {
    pub(crate) fn new(options: AnswerOptions, streams: bool) -> Self {
        Self {
            streams,
            id: String::new(),
            model: String::new(),
            began: false,
            candidates: Vec::new(),
            usage: None,
            options,
        }
    }

    pub(crate) fn write(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(&start),
            Event::More { choice, delta } => self.more(choice, delta, out),
            Event::BlockEnd => self.end_calls(None, out),
            Event::Finish { choice, reason, .. } => {
                self.end_calls(Some(choice), out);
                if let Some(candidate) = self.candidate(choice) {
                    candidate.finish = Some(reason);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => self.fail(&failure, out),
            Event::End => self.end(out),
        }
    }

    fn start(&mut self, start: &Start<'_>) {
        let shown = self.options.shown_model.as_deref().or(start.model.as_deref());
        self.model = shown.unwrap_or_default().to_owned();
        self.id = start.id.as_deref().unwrap_or(&self.options.id).to_owned();
    }

    fn candidate(&mut self, number: u32) -> Option<&mut Candidate> {
        let at = match self.candidates.iter().position(|candidate| candidate.number == number) {
            Some(at) => at,
            None if self.candidates.len() < MOST_CANDIDATES => {
                self.candidates.push(Candidate::new(number));
                self.candidates.len() - 1
            }
            None => return None,
        };
        self.candidates.get_mut(at)
    }

    fn more(&mut self, choice: u32, delta: Delta<'_>, out: &mut BytesMut) {
        let streams = self.streams;
        let Some(candidate) = self.candidate(choice) else { return };
        let piece = match delta {
            Delta::Text(text) => Piece::Text { text: text.into_owned(), signature: None },
            Delta::Refusal(text) => {
                candidate.refused = true;
                Piece::Text { text: text.into_owned(), signature: None }
            }
            Delta::Thinking(text) => Piece::Thought { text: text.into_owned(), signature: None },
            Delta::Signature(text) if is_base64(&text) => {
                Piece::Thought { text: String::new(), signature: Some(text.into_owned()) }
            }
            Delta::Image { media_type, data } => {
                Piece::Image { media_type: media_type.into_owned(), data: data.into_owned() }
            }
            Delta::ThoughtSignature(signature) => match candidate.signature.replace(signature.into_owned()) {
                None => return,
                earlier => Piece::Text { text: String::new(), signature: earlier },
            },
            Delta::Tool { call, id, name } => {
                return candidate.calls.push(Call {
                    number: call,
                    id: super::super::chat::call_id(&id, call).into_owned(),
                    name: name.into_owned(),
                    arguments: String::new(),
                    signature: candidate.signature.take(),
                });
            }
            Delta::Arguments { call, text } => {
                if let Some(call) = candidate.calls.iter_mut().rev().find(|found| found.number == call) {
                    call.arguments.push_str(&text);
                }
                return;
            }
            Delta::Citation(Citation::Url { url, title, .. }) => {
                let page = (url.into_owned(), title.unwrap_or_default().into_owned());
                if candidate.pages.len() < MOST_PAGES && candidate.pages.last() != Some(&page) {
                    candidate.pages.push(page);
                }
                return;
            }
            Delta::Logprobs(logprobs) if !streams => return candidate.keep_logprobs(logprobs),
            Delta::Logprobs(logprobs) => return self.logprobs(choice, logprobs, out),
            Delta::Signature(_)
            | Delta::Citation(Citation::Place(_))
            | Delta::RedactedThinking(_)
            | Delta::Audio(_) => return,
        };
        self.say(choice, piece, out);
    }

    /// Sends a part, or keeps it where the answer goes out whole.
    fn say(&mut self, choice: u32, piece: Piece, out: &mut BytesMut) {
        let streams = self.streams;
        let Some(candidate) = self.candidate(choice) else { return };
        if !streams {
            return candidate.keep(piece);
        }
        let mut content = BytesMut::new();
        write::object(&mut content, |fields| candidate.write_content(&[piece], fields));
        self.chunk(out, |chunk| chunk.array("candidates", |list| list.value().extend_from_slice(&content)));
    }

    fn logprobs(&mut self, choice: u32, logprobs: &[u8], out: &mut BytesMut) {
        let Some(candidate) = self.candidate(choice) else { return };
        let mut content = BytesMut::new();
        write::object(&mut content, |fields| {
            candidate.write_content(&[Piece::empty()], fields);
            super::logprobs::write_logprobs(fields, logprobs);
        });
        self.chunk(out, |chunk| chunk.array("candidates", |list| list.value().extend_from_slice(&content)));
    }

    /// Calls go out whole.
    fn end_calls(&mut self, choice: Option<u32>, out: &mut BytesMut) {
        let mut whole = Vec::new();
        for candidate in &mut self.candidates {
            if choice.is_none_or(|choice| choice == candidate.number) {
                whole.extend(candidate.calls.drain(..).map(|call| (candidate.number, call)));
            }
        }
        for (choice, call) in whole {
            self.say(choice, Piece::Call(call), out);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.end_calls(None, out);
        let signed: Vec<(u32, String)> = self
            .candidates
            .iter_mut()
            .filter_map(|candidate| Some((candidate.number, candidate.signature.take()?)))
            .collect();
        for (choice, signature) in signed {
            self.say(choice, Piece::Text { text: String::new(), signature: Some(signature) }, out);
        }
        // An answer of nothing is one choice all the same, whose reason is the only end that this dialect has.
        if self.candidates.is_empty() {
            self.candidates.push(Candidate::new(0));
        }
        if !self.streams {
            return;
        }
        let candidates = std::mem::take(&mut self.candidates);
        self.chunk(out, |chunk| {
            chunk.array("candidates", |list| {
                for candidate in &candidates {
                    list.object(|fields| {
                        candidate.write_content(&[Piece::empty()], fields);
                        candidate.write_end(fields);
                    });
                }
            });
        });
        if self.options.json_array {
            out.extend_from_slice(b"]");
        }
    }

    pub(crate) fn into_whole(self) -> Bytes {
        let mut out = BytesMut::with_capacity(USUAL_SIZE);
        write::object(&mut out, |body| {
            body.array("candidates", |list| {
                for candidate in &self.candidates {
                    list.object(|fields| candidate.write(fields));
                }
            });
            self.head(body);
        });
        out.freeze()
    }

    fn head(&self, body: &mut Fields<'_>) {
        if let Some(usage) = &self.usage {
            write_usage(body, usage);
        }
        body.text("modelVersion", &self.model);
        body.text("responseId", &self.id);
    }

    fn chunk(&mut self, out: &mut BytesMut, fill: impl FnOnce(&mut Fields<'_>)) {
        self.before(out);
        let start = out.len();
        write::object(out, |chunk| {
            fill(chunk);
            self.head(chunk);
        });
        write::on_one_line(out, start);
        self.after(out);
    }

    /// An event, or the next element of the array.
    fn before(&mut self, out: &mut BytesMut) {
        let began = std::mem::replace(&mut self.began, true);
        out.extend_from_slice(match (self.options.json_array, began) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b",\r\n",
        });
    }

    fn after(&self, out: &mut BytesMut) {
        if !self.options.json_array {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    fn fail(&mut self, failure: &StreamFailure, out: &mut BytesMut) {
        let error = ErrorBody {
            message: &failure.message,
            kind: failure.kind.as_deref().unwrap_or_default(),
            param: None,
            code: failure.code.as_deref().unwrap_or_default(),
            status: failure.status.unwrap_or(500),
        };
        self.before(out);
        out.extend_from_slice(&render_gemini(&error));
        self.after(out);
        if self.options.json_array {
            out.extend_from_slice(b"]");
        }
    }
}
