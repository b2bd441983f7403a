//! `additionalModelRequestFields`: what a model has for itself.

use super::super::form::{Effort, Knob, Reasoning, Request, Setting};
use super::super::json::{fields, flag, get, get_text, text};
use super::super::loss::Losses;
use super::super::messages::{Thinking, read_thinking};
use super::super::write::Fields;
use super::super::{ReasoningStyle, RequestOptions};
use super::tools_writer::Written;

/// Reads the member.
pub(super) fn read_model_fields<'a>(value: &'a [u8], request: &mut Request<'a>, losses: &mut Losses) -> bool {
    let effort = get(value, "output_config")
        .and_then(|config| get_text(config, "effort"))
        .and_then(|name| Effort::from_name(&name));
    if let Some(effort) = effort {
        request.reasoning = Some((Reasoning::Effort(effort), "output_config"));
    }
    for (name, value) in fields(value) {
        let known = match &*name {
            "top_k" => {
                request.settings.push(Setting { knob: Knob::TopK, name, value });
                continue;
            }
            "inferenceConfig" => match fields(value).next() {
                Some((name, value)) if name == "topK" => {
                    request.settings.push(Setting { knob: Knob::TopK, name, value });
                    true
                }
                _ => false,
            },
            "output_config" => effort.is_some(),
            "thinking" => read_thinking(value, effort, request),
            "tool_choice" => {
                let disabled = get(value, "disable_parallel_tool_use").and_then(flag);
                request.parallel_tools = disabled.map(|disabled| !disabled);
                disabled.is_some()
            }
            "reasoning_effort" => read_effort(text(value).as_deref(), "reasoning_effort", request),
            // Qwen's has one word, Anthropic's older one is like `thinking`.
            "reasoning_config" if value.starts_with(b"{") => read_thinking(value, effort, request),
            "reasoning_config" => read_effort(text(value).as_deref(), "reasoning_config", request),
            "reasoningConfig" => {
                read_effort(get_text(value, "maxReasoningEffort").as_deref(), "reasoningConfig", request)
            }
            _ => false,
        };
        if !known {
            losses.asked(&format!("additionalModelRequestFields.{name}"), "");
        }
    }
    value.starts_with(b"{")
}

fn read_effort(word: Option<&str>, name: &'static str, request: &mut Request<'_>) -> bool {
    let effort = word.and_then(Effort::from_name);
    if let Some(effort) = effort {
        request.reasoning = Some((Reasoning::Effort(effort), name));
    }
    effort.is_some()
}

/// What a request asks of the model itself.
pub(super) struct ModelFields<'a> {
    thinking: Thinking,
    effort: Option<(Maker, &'static str)>,
    top_k: Option<(Maker, &'a [u8])>,
    /// The model may call one tool at once, and can be told so.
    single: bool,
}

/// Whose model it is, as far as its own members differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Amazon,
    OpenAi,
    Qwen,
    /// Anthropic's way, which is the others', too.
    Anthropic,
}

impl Maker {
    fn of(model: &str) -> Self {
        let has = |word: &str| model.contains(word);
        match () {
            () if has("nova") => Self::Amazon,
            () if has("gpt-oss") || has("openai.") => Self::OpenAi,
            () if has("qwen") => Self::Qwen,
            () => Self::Anthropic,
        }
    }
}

/// True for the models of Anthropic's that take `disable_parallel_tool_use` on Bedrock: from 4.5 on.
fn knows_single(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude-") else { return false };
    // A date is longer.
    let mut version =
        name.split('-').filter(|part| part.len() < 3).filter_map(|part| part.parse::<u32>().ok());
    let (major, minor) = (version.next().unwrap_or_default(), version.next().unwrap_or_default());
    (major, minor) >= (4, 5)
}

impl<'a> ModelFields<'a> {
    pub(super) fn decide(request: &Request<'a>, options: &RequestOptions<'_>, losses: &mut Losses) -> Self {
        let model = options.model.or(request.model.as_deref()).unwrap_or_default();
        let maker = Maker::of(model);
        let knows_effort = maker != Maker::Anthropic && options.reasoning != ReasoningStyle::None;
        let (thinking, effort) = if knows_effort {
            (Thinking::None, request.reasoning.and_then(|(reasoning, _)| effort(reasoning)))
        } else {
            (Thinking::decide(request, options, losses), None)
        };
        let top_k = request.setting(Knob::TopK);
        Self {
            effort: effort.map(|effort| (maker, effort)),
            top_k: top_k.filter(|setting| thinking.allows(setting)).map(|setting| (maker, setting.value)),
            thinking,
            single: request.parallel_tools == Some(false) && knows_single(model),
        }
    }

    /// True where the model is told to call one tool at once.
    pub(super) fn single(&self) -> bool {
        self.single
    }

    /// How the model is told to think in Anthropic's way.
    pub(super) fn thinking(&self) -> &Thinking {
        &self.thinking
    }

    /// Writes the member where there is something in it.
    pub(super) fn write(&self, tools: Written, body: &mut Fields<'_>) {
        let single = self.single && tools != Written::None;
        if !self.thinking.is_on() && self.effort.is_none() && self.top_k.is_none() && !single {
            return;
        }
        body.object("additionalModelRequestFields", |fields| {
            if single {
                fields.object("tool_choice", |choice| {
                    // It has a type, but only one.
                    if tools == Written::Tools {
                        choice.text("type", "auto");
                    }
                    choice.flag("disable_parallel_tool_use", true);
                });
            }
            match self.top_k {
                None => {}
                Some((Maker::Amazon, value)) => {
                    fields.object("inferenceConfig", |config| config.raw("topK", value));
                }
                Some((_, value)) => fields.raw("top_k", value),
            }
            self.thinking.write(fields);
            if let Some(effort) = self.thinking.effort() {
                fields.object("output_config", |config| config.text("effort", effort));
            }
            match self.effort {
                None => {}
                Some((Maker::Amazon, effort)) => fields.object("reasoningConfig", |config| {
                    config.text("type", "enabled");
                    config.text("maxReasoningEffort", effort);
                }),
                Some((Maker::Qwen, effort)) => fields.text("reasoning_config", effort),
                Some((_, effort)) => fields.text("reasoning_effort", effort),
            }
        });
    }
}

/// These models have three efforts.
fn effort(reasoning: Reasoning) -> Option<&'static str> {
    let effort = match reasoning {
        Reasoning::Off | Reasoning::Adaptive(None) => return None,
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => effort,
        Reasoning::Budget(tokens) => Effort::of_budget(tokens),
    };
    Some(match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh | Effort::Max => "high",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_are_told_by_the_models_name() {
        for (model, maker) in [
            ("us.amazon.nova-2-lite-v1:0", Maker::Amazon),
            ("openai.gpt-oss-120b-1:0", Maker::OpenAi),
            ("qwen.qwen3-32b-v1:0", Maker::Qwen),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Maker::Anthropic),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", Maker::Anthropic),
        ] {
            assert_eq!(Maker::of(model), maker, "{model}");
        }
    }

    #[test]
    fn newer_models_can_be_told_to_call_one_tool_at_once() {
        for (model, knows) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("anthropic.claude-opus-4-6-v1", true),
            ("anthropic.claude-opus-5-v1:0", true),
            ("anthropic.claude-opus-4-1-20250805-v1:0", false),
            ("anthropic.claude-sonnet-4-20250514-v1:0", false),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", false),
            ("anthropic.claude-v2:1", false),
            ("amazon.nova-pro-v1:0", false),
        ] {
            assert_eq!(knows_single(model), knows, "{model}");
        }
    }
}
