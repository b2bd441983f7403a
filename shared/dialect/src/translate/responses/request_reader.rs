//! A request of responses → the form.

use super::super::form::{Block, Knob, Request, Role, Setting, Turn};
use super::super::json::{fields, flag, text};
use super::super::loss::Losses;
use super::super::{Dialect, TranslateError};
use super::input_reader::read_input;
use super::options_reader::{read_include, read_reasoning, read_text};
use super::tools::{read_choice, read_tools};

/// Members that change nothing about the answer.
const ASIDE: [&str; 10] = [
    "metadata",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "moderation",
    "context_management",
    "client_metadata",
    // Of tools that the provider runs itself, and those are lost by their names.
    "max_tool_calls",
];

/// Reads a request; what the form has no place for is lost.
pub(crate) fn read_request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Request<'a>, TranslateError> {
    let mut request = Request { include_usage: true, ..Request::default() };
    let (mut instructions, mut choice) = (None, None);
    for (name, value) in fields(body) {
        if let Some(knob) = Knob::from_name(&name, Dialect::Responses) {
            request.settings.push(Setting { knob, name, value });
            continue;
        }
        let known = match &*name {
            "model" => text(value).map(|model| request.model = Some(model)).is_some(),
            "instructions" => text(value).map(|it| instructions = Some(it)).is_some(),
            "input" => read_input(value, &mut request, losses)?,
            "tools" => read_tools(value, &mut request, losses),
            "tool_choice" => {
                choice = Some(value);
                true
            }
            "parallel_tool_calls" => flag(value).map(|it| request.parallel_tools = Some(it)).is_some(),
            "text" => read_text(value, &mut request, losses),
            "reasoning" => read_reasoning(value, &mut request, losses),
            "include" => read_include(value, &mut request, losses),
            "user" => text(value).map(|user| request.user = Some(user)).is_some(),
            "service_tier" => text(value).map(|tier| request.tier = Some(tier)).is_some(),
            "stream" => flag(value).map(|it| request.stream = Some(it)).is_some(),
            other => {
                lose(other, value, losses);
                true
            }
        };
        if !known {
            return Err(invalid(&name));
        }
    }
    // Which tools it may choose from is known only now.
    if let Some(value) = choice {
        read_choice(value, &mut request, losses).ok_or_else(|| invalid("tool_choice"))?;
    }
    if let Some(text) = instructions {
        let parts = vec![Block::Text(text).into()];
        request.turns.insert(0, Turn { role: Role::System, at: 0, parts });
    }
    drop_idle_logprobs(&mut request, losses);
    Ok(request)
}

fn invalid(name: &str) -> TranslateError {
    TranslateError::Invalid { name: name.to_owned(), place: "request".to_owned() }
}

/// What the form has no place for, unless it asks for what happens anyhow.
fn lose(name: &str, value: &[u8], losses: &mut Losses) {
    let is_idle = match name {
        "truncation" => value == b"\"disabled\"",
        "background" | "store" => value == b"false",
        "stream_options" => true,
        "metadata" => value == b"{}",
        _ => false,
    };
    if is_idle {
        return;
    }
    if ASIDE.contains(&name) {
        losses.aside(name, "");
    } else {
        losses.asked(name, "");
    }
}

/// Alternatives are told only to who wants probabilities, and other dialects refuse the one without the other.
fn drop_idle_logprobs(request: &mut Request<'_>, losses: &mut Losses) {
    if request.settings.iter().any(|setting| setting.knob == Knob::Logprobs) {
        return;
    }
    request.settings.retain(|setting| {
        let is_kept = setting.knob != Knob::TopLogprobs;
        if !is_kept && !setting.knob.is_idle(setting.value) {
            losses.aside(&setting.name, "");
        }
        is_kept
    });
}
