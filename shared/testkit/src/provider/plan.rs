//! An answer as a list of steps: the data that the connection then plays.

use std::time::Duration;

use bulkhead_model::{Endpoint, Usage};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::behaviour::{Behaviour, Close, Fault, FaultKind, Text};
use super::dialect::{Event, Part};
use super::ledger::Outcome;
use super::transport;

/// Everything about one answer.
pub(crate) struct Plan {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Waited before the head.
    pub(crate) before_head: Duration,
    pub(crate) start: Start,
    /// The body has a length that hyper is to declare.
    pub(crate) sized: bool,
    pub(crate) steps: Vec<Step>,
    /// How the request ends when the last step is played.
    pub(crate) ends: Outcome,
    /// What the prompt cost; output is counted by the steps.
    pub(crate) input: Usage,
    pub(crate) max_write: usize,
    /// Pieces are stamped with the time when they are sent.
    pub(crate) stamped: bool,
    pub(crate) close: Close,
}

/// How the answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Answer,
    /// Half of the head, then silence.
    HalfHead,
    /// Never.
    Hang,
    /// A reset in its place.
    Reset,
    /// The same, and it says that the request was not processed.
    Refuse,
}

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Chunk),
    /// Wait until everything before is in the socket.
    Flush,
    Sleep(Duration),
    /// Silence for good.
    Stall,
    /// Break the connection: with RST, or with FIN.
    Abort {
        reset: bool,
    },
}

/// Bytes to send and what they count for.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// Bytes of content in them.
    pub(crate) content: usize,
    /// Output tokens produced up to here.
    pub(crate) output: u64,
    /// What they report.
    pub(crate) reported: Option<Usage>,
}

impl Plan {
    /// An answer without misbehaviour.
    pub(crate) fn plain(
        status: u16,
        headers: HeaderMap,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        let chunk = Chunk { bytes: body.into(), ..Chunk::default() };
        let mut plan = Self {
            status,
            headers,
            before_head: Duration::ZERO,
            start: Start::Answer,
            sized: true,
            steps: if chunk.bytes.is_empty() { Vec::new() } else { vec![Step::Send(chunk)] },
            ends: Outcome::Complete,
            input: Usage::default(),
            max_write: usize::MAX,
            stamped: false,
            close: Close::Never,
        };
        plan.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        plan
    }

    /// No answer at all, or half a head of one.
    pub(crate) fn nothing(start: Start) -> Self {
        let plan = Self::plain(200, HeaderMap::new(), "application/json", "");
        Self { start, sized: false, steps: vec![Step::Stall], ends: Outcome::Cut, ..plan }
    }

    /// What holds for whole answers and error answers alike.
    pub(crate) fn behaving(mut self, behaviour: &Behaviour) -> Self {
        self.before_head = behaviour.before_head;
        self.close = behaviour.close;
        self.stamped = matches!(behaviour.text, Text::Stamped(_));
        if behaviour.one_byte_writes {
            self.max_write = 1;
        }
        self
    }

    /// A streamed answer.
    pub(crate) fn stream(
        headers: HeaderMap,
        whole: Whole<Vec<Event>>,
        framing: Framing,
        behaviour: &Behaviour,
    ) -> Self {
        let kind = match framing {
            Framing::Events => "text/event-stream; charset=utf-8",
            Framing::Lines => "application/x-ndjson",
        };
        let plan = Self::plain(200, headers, kind, Bytes::new());
        let (mut steps, ends) = stream_steps(&whole, framing, behaviour);
        if behaviour.gzip {
            steps = transport::gzip_each(steps);
        }
        Self { sized: false, input: whole.usage, ..plan }.finished(steps, ends, behaviour)
    }

    /// An answer in one body.
    pub(crate) fn json(headers: HeaderMap, whole: Whole<String>, behaviour: &Behaviour) -> Self {
        let error = matches!(behaviour.fault, Some(Fault { kind: FaultKind::ErrorEvent, .. }));
        let body = if error { whole.error } else { whole.answer };
        let body = if behaviour.gzip { transport::gzip(body.as_bytes()) } else { Bytes::from(body) };
        let chunk = match error {
            true => Chunk { bytes: body, ..Chunk::default() },
            false => Chunk {
                bytes: body,
                content: whole.content,
                output: whole.usage.output,
                reported: whole.reported,
            },
        };
        let mut plan =
            Self { input: whole.usage, ..Self::plain(200, headers, "application/json", Bytes::new()) };
        let length = chunk.bytes.len();
        let (steps, ends) = json_steps(chunk, behaviour);
        match behaviour.fault.map(|fault| fault.kind) {
            None | Some(FaultKind::ErrorEvent) => plan.sized = !behaviour.chunked,
            Some(FaultKind::CleanEnd) => plan.sized = false,
            Some(FaultKind::Reset | FaultKind::Close | FaultKind::Stall) => {
                plan.sized = false;
                if !behaviour.chunked {
                    // The length of the whole answer is promised, and not kept.
                    plan.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
            }
        }
        plan.finished(steps, ends, behaviour)
    }

    fn finished(mut self, steps: Vec<Step>, ends: Outcome, behaviour: &Behaviour) -> Self {
        self.steps = if behaviour.tear_characters { transport::tear(steps) } else { steps };
        self.ends = ends;
        if behaviour.gzip {
            self.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        self.behaving(behaviour)
    }
}

/// How events are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// One a line.
    Lines,
}

impl Framing {
    pub(crate) fn of(endpoint: Endpoint) -> Self {
        if endpoint == Endpoint::OllamaChat { Self::Lines } else { Self::Events }
    }
}

/// What a provider without faults would send, and what it counts for.
pub(crate) struct Whole<T> {
    pub(crate) answer: T,
    /// The dialect's error: as the events of a stream, or as a body.
    pub(crate) error: T,
    pub(crate) usage: Usage,
    pub(crate) reported: Option<Usage>,
    pub(crate) content: usize,
}

fn json_steps(chunk: Chunk, behaviour: &Behaviour) -> (Vec<Step>, Outcome) {
    let Some(fault) = behaviour.fault else {
        return (spread(chunk, behaviour), Outcome::Complete);
    };
    let half = if fault.after.unwrap_or(0) == 0 { 0 } else { chunk.bytes.len() / 2 };
    let part =
        Chunk { bytes: chunk.bytes.slice(..half), content: chunk.content / 2, reported: None, ..chunk };
    let mut steps = if half == 0 { Vec::new() } else { vec![Step::Send(part)] };
    match fault.kind {
        FaultKind::ErrorEvent => return (vec![Step::Send(chunk)], Outcome::Cut),
        FaultKind::CleanEnd => {}
        FaultKind::Stall => steps.push(Step::Stall),
        FaultKind::Reset => steps.extend(abort(true)),
        FaultKind::Close => steps.extend(abort(false)),
    }
    (steps, Outcome::Cut)
}

fn abort(reset: bool) -> [Step; 2] {
    [Step::Flush, Step::Abort { reset }]
}

/// Eight parts with pauses, where the model is slow between pieces.
fn spread(chunk: Chunk, behaviour: &Behaviour) -> Vec<Step> {
    let mut steps = Vec::new();
    let first = behaviour.before_event.max(behaviour.before_content);
    if !first.is_zero() {
        steps.push(Step::Sleep(first));
    }
    if !behaviour.between_content.is_zero() {
        let size = chunk.bytes.len().div_ceil(8).max(1);
        let mut rest = chunk.bytes.clone();
        while rest.len() > size {
            steps.push(Step::Send(Chunk {
                bytes: rest.split_to(size),
                output: chunk.output,
                ..Chunk::default()
            }));
            steps.push(Step::Sleep(behaviour.between_content));
        }
        steps.push(Step::Send(Chunk { bytes: rest, ..chunk }));
        return steps;
    }
    steps.push(Step::Send(chunk));
    steps
}

/// Turns events into steps.
struct Stream<'a> {
    behaviour: &'a Behaviour,
    framing: Framing,
    /// Pieces of content in the whole stream.
    pieces: usize,
    /// Those sent so far.
    sent: usize,
    /// Output tokens of the whole stream.
    output: u64,
    steps: Vec<Step>,
}

fn stream_steps(whole: &Whole<Vec<Event>>, framing: Framing, behaviour: &Behaviour) -> (Vec<Step>, Outcome) {
    let pieces = whole.answer.iter().filter(|event| event.part == Part::Content).count();
    let steps = Vec::with_capacity(whole.answer.len() + 4);
    let mut stream = Stream { behaviour, framing, pieces, sent: 0, output: whole.usage.output, steps };
    if !behaviour.before_event.is_zero() {
        stream.steps.push(Step::Sleep(behaviour.before_event));
    }
    for event in &whole.answer {
        if let Some(fault) = behaviour.fault
            && stream.is_due(fault, event.part)
        {
            stream.fail(fault.kind, &whole.error);
            return (stream.steps, Outcome::Cut);
        }
        stream.pause(event.part);
        if !(behaviour.no_done && event.part == Part::Terminal) {
            stream.send(event);
        }
    }
    (stream.steps, Outcome::Complete)
}

impl Stream<'_> {
    /// The fault comes before the piece that would be one too many; after the last piece, before what follows it.
    fn is_due(&self, fault: Fault, next: Part) -> bool {
        let Some(after) = fault.after else { return true };
        let behind = matches!(next, Part::Closing | Part::Terminal) && self.sent == self.pieces;
        self.sent == after.min(self.pieces) && (next == Part::Content || behind)
    }

    fn fail(&mut self, kind: FaultKind, error: &[Event]) {
        match kind {
            FaultKind::Reset => self.steps.extend(abort(true)),
            FaultKind::Close => self.steps.extend(abort(false)),
            FaultKind::CleanEnd => {}
            FaultKind::Stall => self.steps.push(Step::Stall),
            FaultKind::ErrorEvent => error.iter().for_each(|event| self.send(event)),
        }
    }

    fn pause(&mut self, next: Part) {
        let pause = match next {
            Part::Content if self.sent == 0 => self.behaviour.before_content,
            Part::Content => self.behaviour.between_content,
            _ => Duration::ZERO,
        };
        if !pause.is_zero() {
            self.steps.push(Step::Sleep(pause));
        }
    }

    fn send(&mut self, event: &Event) {
        let newline = if self.behaviour.crlf { "\r\n" } else { "\n" };
        let mut text = String::with_capacity(event.data.len() + 64);
        let is_line = self.framing == Framing::Lines;
        if self.behaviour.comments && !is_line {
            text.extend([": mock comment, to be ignored", newline, newline]);
        }
        if let Some(name) = event.name {
            text.extend(["event: ", name, newline]);
        }
        let is_content = event.part == Part::Content;
        let torn = self.behaviour.bad_json_chunk && is_content && self.sent == self.pieces.min(3) - 1;
        let data = if torn { event.data.split_at(half(&event.data)).0 } else { &event.data };
        if is_line {
            text.extend([data, newline]);
        } else {
            text.extend(["data: ", data, newline, newline]);
        }
        self.sent += usize::from(is_content);
        self.steps.push(Step::Send(Chunk {
            bytes: Bytes::from(text),
            content: if torn { 0 } else { event.content },
            output: self.produced(),
            reported: event.usage,
        }));
    }

    /// Tokens are spread evenly over the pieces.
    fn produced(&self) -> u64 {
        if self.pieces == 0 {
            return self.output;
        }
        (self.output * self.sent as u64).div_ceil(self.pieces as u64)
    }
}

/// The middle of a text, moved to the border of a character.
fn half(text: &str) -> usize {
    text.floor_char_boundary(text.len() / 2)
}
