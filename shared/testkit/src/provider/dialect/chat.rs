//! `/v1/chat/completions`.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::ask::Ask;
use crate::provider::say::{Call, Content, Finish, Say, Voice};
use crate::provider::text::{CREATED, id, quoted};

/// Azure's first event: the verdict on the prompt, in an otherwise empty chunk.
const PROMPT_FILTER: &str = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}"#;

/// The text shown as reasoning.
const REASONING: &str = "Thinking about it.";

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tools => "tool_calls",
    }
}

/// `usage` of chat.
fn usage(usage: &Usage) -> String {
    format!(
        r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#,
        usage.input,
        usage.output,
        usage.input + usage.output,
        usage.cache_read,
        usage.reasoning,
    )
}

fn call_id(voice: &Voice, index: usize) -> String {
    id("call_", voice.seq ^ (index as u64 + 1) << 32, 24)
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let shown = say.reasoning.filter(|reasoning| reasoning.shown);
    let reasoning =
        shown.map(|_| format!(r#""reasoning_content":{},"#, quoted(REASONING))).unwrap_or_default();
    let said = match &say.content {
        Content::Text(pieces) => format!(r#""content":{}"#, quoted(&pieces.concat())),
        Content::Calls(calls) => {
            let calls: Vec<_> =
                calls.iter().enumerate().map(|(index, call)| whole_call(voice, index, call)).collect();
            format!(r#""content":null,"tool_calls":[{}]"#, calls.join(","))
        }
    };
    let finish = finish(say.finish);
    let choice = |index: usize| {
        format!(
            r#"{{"index":{index},"message":{{"role":"assistant",{reasoning}{said},"refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{finish}"}}"#
        )
    };
    let choices: Vec<_> = (0..say.n).map(choice).collect();
    let usage = say.reported.as_ref().map(|it| format!(r#""usage":{},"#, usage(it))).unwrap_or_default();
    format!(
        r#"{{"id":"{}","object":"chat.completion","created":{CREATED},"model":{},"choices":[{}],{usage}"service_tier":"{}","system_fingerprint":"fp_mock"}}"#,
        id("chatcmpl-", voice.seq, 29),
        quoted(&voice.model),
        choices.join(","),
        voice.tier.as_deref().unwrap_or("default"),
    )
}

fn whole_call(voice: &Voice, index: usize, call: &Call) -> String {
    format!(
        r#"{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}}"#,
        call_id(voice, index),
        quoted(&call.name),
        quoted(&call.arguments.concat()),
    )
}

/// Makes chunks that share everything but `choices` and `usage`.
struct Chunks {
    head: String,
    usage_null: &'static str,
    seed: u64,
    made: u64,
}

impl Chunks {
    fn chunk(&mut self, choices: &str, usage: &str) -> String {
        self.made += 1;
        // Providers pad chunks so that their sizes tell nothing; it is one more member to pass on untouched.
        let padding = id("", self.seed ^ self.made << 40, 3 + (self.made % 13) as usize);
        format!(r#"{}{choices}]{usage},"obfuscation":"{padding}"}}"#, self.head)
    }

    fn choice(&mut self, index: usize, delta: &str, finish: &str) -> String {
        let choice =
            format!(r#"{{"index":{index},"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}"#);
        self.chunk(&choice, self.usage_null)
    }
}

pub(crate) fn events(ask: &Ask<'_>, say: &Say, voice: &Voice) -> Vec<Event> {
    let mut chunks = Chunks {
        head: format!(
            r#"{{"id":"{}","object":"chat.completion.chunk","created":{CREATED},"model":{},"service_tier":"{}","system_fingerprint":"fp_mock","choices":["#,
            id("chatcmpl-", voice.seq, 29),
            quoted(&voice.model),
            voice.tier.as_deref().unwrap_or("default"),
        ),
        usage_null: if ask.include_usage { r#","usage":null"# } else { "" },
        seed: voice.seq,
        made: 0,
    };
    let mut events = Vec::new();
    if voice.azure {
        events.push(Event::new(None, Part::Opening, PROMPT_FILTER.to_owned()));
    }
    match &say.content {
        Content::Text(pieces) => text_events(&mut events, &mut chunks, say, pieces),
        Content::Calls(calls) => call_events(&mut events, &mut chunks, say, voice, calls),
    }
    for index in 0..say.n {
        let finish = format!("\"{}\"", finish(say.finish));
        events.push(Event::new(None, Part::Closing, chunks.choice(index, "", &finish)));
    }
    if let Some(reported) = say.reported.filter(|_| ask.include_usage) {
        let data = chunks.chunk("", &format!(r#","usage":{}"#, usage(&reported)));
        events.push(Event::new(None, Part::Closing, data).reporting(Some(reported)));
    }
    events.push(Event::new(None, Part::Terminal, "[DONE]".to_owned()));
    events
}

fn text_events(events: &mut Vec<Event>, chunks: &mut Chunks, say: &Say, pieces: &[String]) {
    for index in 0..say.n {
        let role = r#""role":"assistant","content":"","refusal":null"#;
        events.push(Event::new(None, Part::Opening, chunks.choice(index, role, "null")));
    }
    if say.reasoning.is_some_and(|reasoning| reasoning.shown) {
        for word in REASONING.split_inclusive(' ') {
            let delta = format!(r#""reasoning_content":{}"#, quoted(word));
            events.push(Event::content(None, chunks.choice(0, &delta, "null"), word.len()));
        }
    }
    for piece in pieces {
        let delta = format!(r#""content":{}"#, quoted(piece));
        for index in 0..say.n {
            events.push(Event::content(None, chunks.choice(index, &delta, "null"), piece.len()));
        }
    }
}

/// The role comes with the first call, as OpenAI sends it; every choice makes the same calls.
fn call_events(events: &mut Vec<Event>, chunks: &mut Chunks, say: &Say, voice: &Voice, calls: &[Call]) {
    for choice in 0..say.n {
        for (index, call) in calls.iter().enumerate() {
            let role = if index == 0 { r#""role":"assistant","content":null,"# } else { "" };
            let refusal = if index == 0 { r#","refusal":null"# } else { "" };
            let delta = format!(
                r#"{role}"tool_calls":[{{"index":{index},"id":"{}","type":"function","function":{{"name":{},"arguments":""}}}}]{refusal}"#,
                call_id(voice, index),
                quoted(&call.name),
            );
            events.push(Event::content(None, chunks.choice(choice, &delta, "null"), 0));
            for piece in &call.arguments {
                let delta = format!(
                    r#""tool_calls":[{{"index":{index},"function":{{"arguments":{}}}}}]"#,
                    quoted(piece)
                );
                events.push(Event::content(None, chunks.choice(choice, &delta, "null"), piece.len()));
            }
        }
    }
}
