//! What a translation leaves out.

use std::fmt::Display;

use super::Dialect;

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

/// What writers call something, and what clients of chat, messages and Converse do.
const NAMES: [(&[&str], [&str; 3]); 14] = [
    (&["image_url", "image"], ["image_url", "image", "image"]),
    (&["file", "document"], ["file", "document", "document"]),
    (&["input_audio"], ["input_audio", "audio", "audio"]),
    (&["tool_calls", "tool_use"], ["tool_calls", "tool_use", "toolUse"]),
    (&["tool", "tool_result"], ["tool", "tool_result", "toolResult"]),
    (&["reasoning_content", "thinking"], ["reasoning_content", "thinking", "reasoningContent"]),
    (&["redacted_thinking"], ["thinking_blocks", "redacted_thinking", "reasoningContent"]),
    (&["cache_control"], ["cache_control", "cache_control", "cachePoint"]),
    (&["is_error"], ["is_error", "is_error", "status"]),
    (&["tool_choice"], ["tool_choice", "tool_choice", "toolChoice"]),
    (
        &["parallel_tool_calls"],
        ["parallel_tool_calls", "disable_parallel_tool_use", "disable_parallel_tool_use"],
    ),
    (&["stop"], ["stop", "stop_sequences", "stopSequences"]),
    (&["user"], ["user", "metadata.user_id", "user"]),
    (&["service_tier"], ["service_tier", "service_tier", "serviceTier"]),
];

/// What a client calls what a writer calls this.
fn name_for(client: Dialect, name: &str) -> &str {
    let Some((_, [chat, messages, converse])) = NAMES.iter().find(|(written, _)| written.contains(&name))
    else {
        return name;
    };
    match client {
        Dialect::Chat => chat,
        Dialect::Messages => messages,
        Dialect::Converse => converse,
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

    fn add(&mut self, name: &str, place: &dyn Display, weight: Weight) {
        let place = place.to_string();
        // On the top level, `thinking` is what the client said itself.
        let is_own = place.is_empty() && name == "thinking";
        let name = self.client.filter(|_| !is_own).map_or(name, |client| name_for(client, name));
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
