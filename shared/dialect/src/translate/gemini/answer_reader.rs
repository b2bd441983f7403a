//! Answers, in events or whole → events of the form. Every event of a stream has the shape of a whole answer.

use super::super::AnswerOptions;
use super::super::form::{Delta, Event, Finish, Start};
use super::super::json::{get, get_text, items};
use super::super::reader::remembered;
use super::grounding::read_citations;
use super::logprobs::with_logprobs;
use super::media::standard;
use super::partial::Partial;
use crate::json::view::whole_number;
use crate::relay::StreamFailure;
use crate::usage::UsageMeter;

/// More choices than any answer has; what is beyond is left out.
const MOST_CHOICES: usize = 128;

/// How long OpenAI's clients may keep what was spoken, in seconds.
const SPOKEN_FOR: u64 = 86_400;

/// Reads one answer.
pub(crate) struct Reader {
    pub(crate) meter: UsageMeter,
    pub(crate) finish: Option<String>,
    /// Of the answer: calls without ids get theirs from it.
    id: String,
    created: u64,
    started: bool,
    choices: Vec<Choice>,
}

/// What is kept of a choice until it is over.
struct Choice {
    number: u32,
    calls: u32,
    /// Arguments that come in pieces.
    partial: Option<Partial>,
    /// Some models say it in every event, so the last one counts.
    finish: Option<Finish>,
    /// The signature of the text.
    signature: Option<String>,
    /// Where the text comes from, searched and recited, as far as was said: the last word counts.
    sources: [Vec<u8>; 2],
}

impl Reader {
    pub(crate) fn new(options: &AnswerOptions) -> Self {
        Self {
            meter: UsageMeter::default(),
            finish: None,
            id: options.id.clone(),
            created: options.created,
            started: false,
            choices: Vec::new(),
        }
    }

    pub(crate) fn event(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        if get(data, "error").is_some() {
            return sink(Event::Failed(StreamFailure::read(data)));
        }
        self.take(data, sink);
    }

    pub(crate) fn whole(&mut self, body: &[u8], sink: &mut impl FnMut(Event<'_>)) -> bool {
        if !["candidates", "promptFeedback", "usageMetadata"].iter().any(|name| get(body, name).is_some()) {
            return false;
        }
        self.take(body, sink);
        // An answer of nothing is one choice all the same.
        if self.choices.is_empty() {
            self.choices.push(Choice::new(0));
        }
        self.finish_all(sink);
        sink(Event::End);
        true
    }

    /// True when every choice there was is finished.
    pub(crate) fn may_end(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some())
    }

    /// Nothing more comes: what was kept of each choice goes out.
    pub(crate) fn finish_all(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        for choice in &mut self.choices {
            choice.end(sink);
        }
    }

    fn take(&mut self, data: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let candidates = get(data, "candidates");
        let blocked = get(data, "promptFeedback").and_then(|feedback| get_text(feedback, "blockReason"));
        if !std::mem::replace(&mut self.started, true) {
            let id = get_text(data, "responseId");
            if let Some(id) = &id {
                self.id = id.clone().into_owned();
            }
            sink(Event::Start(Start { id, model: get_text(data, "modelVersion"), created: None }));
        }
        for (place, candidate) in candidates.into_iter().flat_map(items).enumerate() {
            self.candidate(place, candidate, sink);
        }
        if let Some(reason) = blocked {
            self.finish = Some(remembered(&reason));
            if let Some(choice) = self.choice(0) {
                choice.finish = Some(Finish::Refused);
            }
        }
        if let Some(usage) = get(data, "usageMetadata").and_then(|usage| self.meter.gemini(usage)) {
            sink(Event::Usage(usage));
        }
    }

    fn choice(&mut self, number: u32) -> Option<&mut Choice> {
        let at = match self.choices.iter().position(|choice| choice.number == number) {
            Some(at) => at,
            None if self.choices.len() < MOST_CHOICES => {
                self.choices.push(Choice::new(number));
                self.choices.len() - 1
            }
            None => return None,
        };
        self.choices.get_mut(at)
    }

    fn candidate(&mut self, place: usize, candidate: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        let index = get(candidate, "index").and_then(whole_number);
        let number = index.map_or(u32::try_from(place), u32::try_from).unwrap_or(u32::MAX);
        let (id, created) = (std::mem::take(&mut self.id), self.created);
        let mut reason = None;
        if let Some(choice) = self.choice(number) {
            for part in get(candidate, "content")
                .and_then(|content| get(content, "parts"))
                .into_iter()
                .flat_map(items)
            {
                choice.part(part, &id, created, sink);
            }
            if let Some(result) = get(candidate, "logprobsResult") {
                with_logprobs(result, |logprobs| {
                    sink(Event::More { choice: number, delta: Delta::Logprobs(logprobs) });
                });
            }
            for (name, known) in ["groundingMetadata", "citationMetadata"].iter().zip(&mut choice.sources) {
                if let Some(sources) = get(candidate, name) {
                    *known = sources.to_vec();
                }
            }
            reason = get_text(candidate, "finishReason");
            choice.finish = reason.as_deref().map(read_finish).or(choice.finish);
        }
        self.id = id;
        if let Some(reason) = reason {
            self.finish = Some(remembered(&reason));
        }
    }
}

impl Choice {
    fn new(number: u32) -> Self {
        Self { number, calls: 0, partial: None, finish: None, signature: None, sources: Default::default() }
    }

    fn part(&mut self, part: &[u8], id: &str, created: u64, sink: &mut impl FnMut(Event<'_>)) {
        let choice = self.number;
        let mut more = |delta| sink(Event::More { choice, delta });
        let signature = get_text(part, "thoughtSignature").filter(|text| !text.is_empty());
        if let Some(call) = get(part, "functionCall") {
            for signature in self.signature.take().map(Into::into).into_iter().chain(signature) {
                more(Delta::ThoughtSignature(signature));
            }
            return self.call(call, id, sink);
        }
        if let Some(text) = get_text(part, "text") {
            let delta = if get(part, "thought") == Some(b"true") { Delta::Thinking } else { Delta::Text };
            if !text.is_empty() {
                more(delta(text));
            }
            if let Some(signature) = signature
                && let Some(earlier) = self.signature.replace(signature.into_owned())
            {
                more(Delta::ThoughtSignature(earlier.into()));
            }
        }
        if let Some(blob) = get(part, "inlineData") {
            let media_type = get_text(blob, "mimeType").unwrap_or_default();
            let Some(data) = get_text(blob, "data").map(standard) else { return };
            if media_type.starts_with("image/") {
                more(Delta::Image { media_type, data });
            } else if media_type.starts_with("audio/") {
                let spoken = serde_json::json!({
                    "id": id, "data": data, "transcript": "", "expires_at": created.saturating_add(SPOKEN_FOR)
                });
                more(Delta::Audio(spoken.to_string().as_bytes()));
            }
        }
    }

    fn call(&mut self, call: &[u8], id: &str, sink: &mut impl FnMut(Event<'_>)) {
        let choice = self.number;
        if let Some(name) = get_text(call, "name").filter(|name| !name.is_empty()) {
            self.end_partial(sink);
            let number = self.calls;
            self.calls += 1;
            let own = get_text(call, "id").filter(|id| !id.is_empty());
            let id = own.unwrap_or_else(|| format!("call_{id}_{number}").into());
            sink(Event::More { choice, delta: Delta::Tool { call: number, id, name } });
            self.partial = Some(Partial::default());
        }
        let Some(partial) = &mut self.partial else { return };
        for piece in get(call, "partialArgs").into_iter().flat_map(items) {
            partial.take(piece);
        }
        if let Some(arguments) = get(call, "args").and_then(|arguments| std::str::from_utf8(arguments).ok()) {
            partial.whole(arguments);
        }
        if get(call, "willContinue") != Some(b"true") {
            self.end_partial(sink);
        }
    }

    /// A call without arguments has the empty object: a client parses what it gets.
    fn end_partial(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let Some(partial) = self.partial.take() else { return };
        let delta = Delta::Arguments { call: self.calls.saturating_sub(1), text: partial.into_text().into() };
        sink(Event::More { choice: self.number, delta });
        sink(Event::BlockEnd);
    }

    fn end(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        self.end_partial(sink);
        let choice = self.number;
        for sources in &self.sources {
            read_citations(sources, &mut |citation| {
                sink(Event::More { choice, delta: Delta::Citation(citation) });
            });
        }
        if let Some(signature) = self.signature.take() {
            sink(Event::More { choice, delta: Delta::ThoughtSignature(signature.into()) });
        }
        let reason = match self.finish {
            None | Some(Finish::Stop) if self.calls > 0 => Finish::Tools,
            reason => reason.unwrap_or(Finish::Stop),
        };
        sink(Event::Finish { choice, reason, stop_sequence: None });
    }
}

fn read_finish(reason: &str) -> Finish {
    match reason {
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Finish::Refused,
        _ => Finish::Stop,
    }
}
