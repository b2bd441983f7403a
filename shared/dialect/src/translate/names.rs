//! Names of tools that a provider would refuse, and back.
//!
//! As LiteLLM does it: what is too long is cut, and the beginning of its SHA-256 tells it from others. Names with letters
//! that the provider refuses are treated alike.

use std::borrow::Cow;

use super::form::{Block, Part, Request, ToolChoice};
use super::{Dialect, Plan};
use crate::digest::sha256;

/// Bytes of a digest that stand in a name, as two letters each.
const MARK: usize = 4;

/// Gives every tool of a request a name that the provider takes, wherever it is named.
pub(super) fn fit(request: &mut Request<'_>, to: Dialect, plan: &mut Plan) {
    let mut fit = |name: &mut Cow<'_, str>| {
        if let Some(sent) = sendable(name, to) {
            let former = std::mem::replace(name, sent.clone().into());
            plan.renamed.insert(sent, former.into_owned());
        }
    };
    for tool in &mut request.tools {
        fit(&mut tool.name);
    }
    if let Some(ToolChoice::Tool(name)) = &mut request.tool_choice {
        fit(name);
    }
    for Part { block, .. } in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        if let Block::ToolCall { name, .. } = block {
            fit(name);
        }
    }
}

/// Another name where a provider would refuse this one; always the same for the same.
fn sendable(name: &str, to: Dialect) -> Option<String> {
    let longest = match to {
        Dialect::Messages => 128,
        Dialect::Chat | Dialect::Completions | Dialect::Responses | Dialect::Converse | Dialect::Gemini => 64,
        // Neither says what it takes.
        Dialect::Cohere | Dialect::Ollama => return None,
    };
    let is_gemini = to == Dialect::Gemini;
    let is_taken = |letter: char| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '_' | '-')
            || is_gemini && matches!(letter, '.' | ':')
    };
    let begins_well = |letter: char| !is_gemini || letter.is_ascii_alphabetic() || letter == '_';
    if name.is_empty()
        || (name.len() <= longest && name.chars().all(is_taken) && name.starts_with(begins_well))
    {
        return None;
    }
    let first = if name.starts_with(begins_well) { "" } else { "_" };
    let taken = name.chars().map(|letter| if is_taken(letter) { letter } else { '_' });
    let mut sent: String = first.chars().chain(taken).take(longest - 2 * MARK - 1).collect();
    sent.push('_');
    for byte in sha256(name.as_bytes()).iter().take(MARK) {
        sent.extend([byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half.into(), 16)));
    }
    Some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_cut_and_marked() {
        let long = "mcp__github__create_pull_request_review_comment_with_suggestions_for_lines";
        // As LiteLLM has it.
        let cut = "mcp__github__create_pull_request_review_comment_with_su_a71a6981";
        let sent = sendable(long, Dialect::Chat).unwrap();
        assert_eq!((sent.as_str(), sent.len()), (cut, 64));
        assert_eq!(sendable(&sent, Dialect::Chat), None);
        assert_eq!(sendable(long, Dialect::Messages), None);
        assert_eq!(sendable(&"x".repeat(129), Dialect::Messages).unwrap().len(), 128);
        for (name, to, begins) in [
            ("files.read", Dialect::Chat, "files_read_"),
            ("größe", Dialect::Converse, "gr__e_"),
            ("1st", Dialect::Gemini, "_1st_"),
        ] {
            let sent = sendable(name, to).unwrap();
            assert_eq!(sent.strip_prefix(begins).map(str::len), Some(8), "{name}: {sent}");
        }
        for (name, to) in [
            ("files.read", Dialect::Gemini),
            ("1st", Dialect::Chat),
            ("", Dialect::Chat),
            ("a.b", Dialect::Cohere),
        ] {
            assert_eq!(sendable(name, to), None, "{name}");
        }
        // Two that look alike are told apart.
        assert_ne!(sendable("a.b", Dialect::Chat), sendable("a:b", Dialect::Chat));
    }
}
