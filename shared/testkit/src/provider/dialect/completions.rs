//! `/v1/completions`.

use bulkhead_model::Usage;

use super::{Event, Part};
use crate::provider::ask::Ask;
use crate::provider::say::{Content, Finish, Say, Voice};
use crate::provider::text::{CREATED, id, quoted};

/// `usage` of completions.
fn usage(usage: &Usage) -> String {
    let (input, output) = (usage.input, usage.output);
    format!(r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}"#, input + output)
}

fn pieces(say: &Say) -> &[String] {
    match &say.content {
        Content::Text(pieces) => pieces,
        Content::Calls(_) => &[],
    }
}

fn finish(finish: Finish) -> &'static str {
    if finish == Finish::Length { "\"length\"" } else { "\"stop\"" }
}

fn choice(index: usize, text: &str, finish: &str) -> String {
    format!(r#"{{"text":{},"index":{index},"logprobs":null,"finish_reason":{finish}}}"#, quoted(text))
}

fn head(voice: &Voice) -> String {
    format!(r#"{{"id":"{}","object":"text_completion","created":{CREATED}"#, id("cmpl-", voice.seq, 29))
}

pub(crate) fn body(say: &Say, voice: &Voice) -> String {
    let text = pieces(say).concat();
    let choices: Vec<_> = (0..say.n).map(|index| choice(index, &text, finish(say.finish))).collect();
    let usage = say.reported.as_ref().map(|it| format!(r#","usage":{}"#, usage(it))).unwrap_or_default();
    format!(r#"{},"model":{},"choices":[{}]{usage}}}"#, head(voice), quoted(&voice.model), choices.join(","))
}

pub(crate) fn events(ask: &Ask<'_>, say: &Say, voice: &Voice) -> Vec<Event> {
    let (head, model) = (head(voice), quoted(&voice.model));
    let null = if ask.include_usage { r#","usage":null"# } else { "" };
    let chunk =
        |choices: &str, usage: &str| format!(r#"{head},"choices":[{choices}],"model":{model}{usage}}}"#);
    let mut events = Vec::new();
    for piece in pieces(say) {
        for index in 0..say.n {
            events.push(Event::content(None, chunk(&choice(index, piece, "null"), null), piece.len()));
        }
    }
    for index in 0..say.n {
        events.push(Event::new(None, Part::Closing, chunk(&choice(index, "", finish(say.finish)), null)));
    }
    if let Some(reported) = say.reported.filter(|_| ask.include_usage) {
        let data = chunk("", &format!(r#","usage":{}"#, usage(&reported)));
        events.push(Event::new(None, Part::Closing, data).reporting(Some(reported)));
    }
    events.push(Event::new(None, Part::Terminal, "[DONE]".to_owned()));
    events
}
