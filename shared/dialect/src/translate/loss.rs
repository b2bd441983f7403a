//! What a translation leaves out.

use std::fmt::Display;

use super::Dialect;
use super::form::Reasoning;

/// Most losses that are reported: a body of rubbish shall not become a report as long.
const MOST: usize = 64;

/// What leaving something out means for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weight {
    /// The answer may be another one than was asked for.
    Asked,
    /// The answer is the same: hints for caching, bookkeeping, notes on earlier turns.
    Aside,
}

/// Something of a request that the upstream's dialect cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The member in the client's dialect.
    pub name: String,
    /// Where it first stands: empty for the top level, else like `messages[3].content[0]`.
    pub place: String,
    /// What leaving it out means.
    pub weight: Weight,
}

/// What writers call something, and what clients of chat, messages, responses, Gemini and Converse do.
const NAMES: [(&[&str], [&str; 5]); 16] = [
    (&["image_url", "image"], ["image_url", "image", "input_image", "inlineData", "image"]),
    (&["file", "document"], ["file", "document", "input_file", "inlineData", "document"]),
    (&["input_audio"], ["input_audio", "audio", "input_audio", "inlineData", "audio"]),
    (&["tool_calls", "tool_use"], ["tool_calls", "tool_use", "function_call", "functionCall", "toolUse"]),
    (
        &["tool", "tool_result"],
        ["tool", "tool_result", "function_call_output", "functionResponse", "toolResult"],
    ),
    (
        &["reasoning_content", "thinking"],
        ["reasoning_content", "thinking", "reasoning", "thought", "reasoningContent"],
    ),
    (
        &["redacted_thinking"],
        ["thinking_blocks", "redacted_thinking", "reasoning", "thought", "reasoningContent"],
    ),
    (
        &["thought_signature"],
        ["thought_signature", "signature", "encrypted_content", "thoughtSignature", "signature"],
    ),
    (
        &["cache_control"],
        ["cache_control", "cache_control", "prompt_cache_breakpoint", "cachedContent", "cachePoint"],
    ),
    (&["is_error"], ["is_error", "is_error", "is_error", "error", "status"]),
    (&["tool_choice"], ["tool_choice", "tool_choice", "tool_choice", "toolConfig", "toolChoice"]),
    (
        &["parallel_tool_calls"],
        [
            "parallel_tool_calls",
            "disable_parallel_tool_use",
            "parallel_tool_calls",
            "parallel_tool_calls",
            "disable_parallel_tool_use",
        ],
    ),
    (&["stop"], ["stop", "stop_sequences", "stop", "stopSequences", "stopSequences"]),
    (&["user"], ["user", "metadata.user_id", "user", "user", "user"]),
    (&["service_tier"], ["service_tier", "service_tier", "service_tier", "serviceTier", "serviceTier"]),
    (
        &["response_format"],
        ["response_format", "output_config.format", "text.format", "responseSchema", "outputConfig"],
    ),
];

/// What a client calls what a writer calls this.
fn name_for(client: Dialect, name: &str) -> &str {
    let Some((_, [chat, messages, responses, gemini, converse])) =
        NAMES.iter().find(|(written, _)| written.contains(&name))
    else {
        return name;
    };
    match client {
        // No client speaks the last two.
        Dialect::Chat | Dialect::Completions | Dialect::Cohere | Dialect::Ollama => chat,
        Dialect::Messages => messages,
        Dialect::Responses => responses,
        Dialect::Gemini => gemini,
        Dialect::Converse => converse,
    }
}

/// Where the client has it, of a place that a writer names.
fn place_for(client: Dialect, place: String) -> String {
    if client == Dialect::Converse && place.starts_with("tools[") {
        return format!("toolConfig.{place}");
    }
    let Some(rest) = place.strip_prefix("messages") else { return name_for(client, &place).to_owned() };
    match client {
        Dialect::Chat | Dialect::Messages | Dialect::Converse | Dialect::Cohere | Dialect::Ollama => place,
        Dialect::Responses => format!("input{rest}"),
        Dialect::Gemini => format!("contents{rest}"),
        Dialect::Completions => "prompt".to_owned(),
    }
}

/// Collects losses, each name once.
#[derive(Debug, Default)]
pub(super) struct Losses {
    list: Vec<Loss>,
    /// Whose words writers' names become; readers use the client's own.
    client: Option<Dialect>,
}

impl Losses {
    /// The answer may be another one without this.
    pub(super) fn asked(&mut self, name: &str, place: impl Display) {
        self.add(name, &place, Weight::Asked);
    }

    /// The answer is the same without this.
    pub(super) fn aside(&mut self, name: &str, place: impl Display) {
        self.add(name, &place, Weight::Aside);
    }

    /// A model that cannot reason was told to. Where the client leaves it to the model whether to, nothing is missing.
    pub(super) fn reasoning(&mut self, reasoning: Reasoning, name: &str) {
        match reasoning {
            Reasoning::Off => {}
            Reasoning::Adaptive(None) => self.aside(name, ""),
            Reasoning::Adaptive(Some(_)) | Reasoning::Effort(_) | Reasoning::Budget(_) => {
                self.asked(name, "")
            }
        }
    }

    fn add(&mut self, name: &str, place: &dyn Display, weight: Weight) {
        let place = place.to_string();
        // On the top level, `thinking` is what the client said itself.
        let is_own = place.is_empty() && name == "thinking";
        let name = self.client.filter(|_| !is_own).map_or(name, |client| name_for(client, name));
        let place = self.client.map_or(place.clone(), |client| place_for(client, place));
        if self.list.len() < MOST && !self.list.iter().any(|loss| loss.name == name && loss.weight == weight)
        {
            self.list.push(Loss { name: name.to_owned(), place, weight });
        }
    }

    /// From here on, a writer reports what it cannot express.
    pub(super) fn written_for(&mut self, client: Dialect) {
        self.client = Some(client);
    }

    pub(super) fn into_vec(self) -> Vec<Loss> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_called_as_the_client_calls_it() {
        for (client, expected) in [
            (Dialect::Chat, ["image_url", "reasoning_content", "stop", "thinking", "seed"]),
            (Dialect::Messages, ["image", "thinking", "stop_sequences", "thinking", "seed"]),
            (Dialect::Converse, ["image", "reasoningContent", "stopSequences", "thinking", "seed"]),
            (Dialect::Responses, ["input_image", "reasoning", "stop", "thinking", "seed"]),
            (Dialect::Gemini, ["inlineData", "thought", "stopSequences", "thinking", "seed"]),
        ] {
            let mut losses = Losses::default();
            losses.written_for(client);
            losses.asked("image_url", "messages[0]");
            losses.aside("reasoning_content", "messages[0]");
            losses.asked("stop", "");
            losses.asked("thinking", "");
            losses.asked("seed", "");
            let names: Vec<String> = losses.into_vec().into_iter().map(|loss| loss.name).collect();
            assert_eq!(names, expected);
        }
    }
}
