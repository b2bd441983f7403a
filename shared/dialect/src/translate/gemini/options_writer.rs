//! Everything of a request that is neither conversation nor tools.

use bytes::BytesMut;

use super::super::form::{Effort, Knob, Output, Reasoning, Request, Setting};
use super::super::json::{get_text, items, text};
use super::super::loss::Losses;
use super::super::write::{self, Fields};
use super::super::{Dialect, ReasoningStyle, RequestOptions};
use super::schema::write_schema;

/// LiteLLM's budget for hardly any thoughts, and the least that the smallest model takes.
const LEAST_BUDGET: u64 = 128;
const LEAST_BUDGET_LITE: u64 = 512;

/// Writes the options.
pub(super) fn write_options(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    body: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let mut config = BytesMut::new();
    write::object(&mut config, |config| {
        write_settings(&request.settings, config, losses);
        if !request.stop.is_empty() {
            config.array("stopSequences", |items| request.stop.iter().for_each(|stop| items.text(stop)));
        }
        write_output(request, options, config, losses);
        write_reasoning(request, options, config, losses);
    });
    if config.len() > b"{}".len() {
        body.raw("generationConfig", &config);
    }
    for setting in &request.settings {
        match setting.knob {
            Knob::SafetySettings => body.raw("safetySettings", setting.value),
            Knob::CachedContent => body.raw("cachedContent", setting.value),
            _ => {}
        }
    }
    if request.user.is_some() {
        losses.aside("user", "");
    }
    match request.tier.as_deref() {
        None | Some("auto" | "default" | "standard_only") => {}
        Some(_) => losses.asked("service_tier", ""),
    }
}

fn write_settings(settings: &[Setting<'_>], config: &mut Fields<'_>, losses: &mut Losses) {
    for setting in settings {
        match (setting.knob, setting.knob.name_in(Dialect::Gemini)) {
            (Knob::WebSearch | Knob::SafetySettings | Knob::CachedContent, _) => {}
            (_, Some(name)) => config.raw(name, setting.value),
            (knob, None) if knob.is_idle(setting.value) => {}
            (Knob::Modalities, _) if setting.value.starts_with(b"[") => {
                config.array("responseModalities", |kinds| {
                    for kind in items(setting.value).filter_map(text) {
                        kinds.text(&kind.to_ascii_uppercase());
                    }
                })
            }
            (Knob::Audio, _) if setting.value.starts_with(b"{") => write_speech(setting, config, losses),
            _ => losses.asked(&setting.name, ""),
        }
    }
}

/// Google speaks in samples of 16 bits, whatever the format.
fn write_speech(setting: &Setting<'_>, config: &mut Fields<'_>, losses: &mut Losses) {
    if get_text(setting.value, "format").is_some_and(|format| format != "pcm16") {
        losses.asked("audio.format", "");
    }
    let Some(voice) = get_text(setting.value, "voice") else { return };
    config.object("speechConfig", |speech| {
        speech.object("voiceConfig", |config| {
            config.object("prebuiltVoiceConfig", |config| config.text("voiceName", &voice));
        });
    });
}

fn write_output(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    config: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some(output) = &request.output else { return };
    config.text("responseMimeType", "application/json");
    match output {
        Output::Schema { schema: Some(schema), .. } if options.output_schema => {
            write_schema(schema, config.value("responseJsonSchema"), "response_format", losses);
        }
        Output::Schema { schema: Some(_), .. } => losses.asked("response_format", ""),
        Output::Json | Output::Schema { schema: None, .. } => {}
    }
}

fn write_reasoning(
    request: &Request<'_>,
    options: &RequestOptions<'_>,
    config: &mut Fields<'_>,
    losses: &mut Losses,
) {
    let Some((reasoning, name)) = request.reasoning else { return };
    let model = options.model.or(request.model.as_deref()).unwrap_or_default();
    let write = |config: &mut Fields<'_>, shown: bool, fill: &dyn Fn(&mut Fields<'_>)| {
        config.object("thinkingConfig", |thinking| {
            fill(thinking);
            thinking.flag("includeThoughts", shown);
        });
    };
    match (options.reasoning, reasoning) {
        // A client of messages says it where it means nothing by it.
        (_, Reasoning::Off) if name == "thinking" => {}
        (ReasoningStyle::None, Reasoning::Off) => {}
        (ReasoningStyle::None, _) => losses.asked(name, ""),
        (ReasoningStyle::Fixed, Reasoning::Off) => {
            write(config, false, &|thinking| thinking.number("thinkingBudget", 0));
        }
        (ReasoningStyle::Fixed, Reasoning::Adaptive(None)) => {
            write(config, true, &|thinking| thinking.raw("thinkingBudget", b"-1"));
        }
        (ReasoningStyle::Fixed, reasoning) => {
            let budget = budget(reasoning, model);
            write(config, true, &|thinking| thinking.number("thinkingBudget", budget));
        }
        // It cannot be told not to think.
        (ReasoningStyle::Adaptive, Reasoning::Off) => {
            write(config, false, &|thinking| thinking.text("thinkingLevel", level(Effort::Minimal, model)));
        }
        (ReasoningStyle::Adaptive, Reasoning::Adaptive(None)) => write(config, true, &|_| {}),
        (ReasoningStyle::Adaptive, Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort))) => {
            write(config, true, &|thinking| thinking.text("thinkingLevel", level(effort, model)));
        }
        (ReasoningStyle::Adaptive, Reasoning::Budget(tokens)) => {
            let effort = Effort::of_budget(tokens);
            write(config, true, &|thinking| thinking.text("thinkingLevel", level(effort, model)));
        }
    }
}

fn budget(reasoning: Reasoning, model: &str) -> u64 {
    match reasoning {
        Reasoning::Effort(Effort::Minimal) | Reasoning::Adaptive(Some(Effort::Minimal)) => {
            if model.contains("lite") { LEAST_BUDGET_LITE } else { LEAST_BUDGET }
        }
        Reasoning::Effort(effort) | Reasoning::Adaptive(Some(effort)) => effort.budget(),
        Reasoning::Budget(tokens) => tokens,
        Reasoning::Off | Reasoning::Adaptive(None) => 0,
    }
}

/// LiteLLM's levels: only the smaller models know the least one, and the first large one none in between.
fn level(effort: Effort, model: &str) -> &'static str {
    match effort {
        Effort::Minimal if model.contains("flash") => "MINIMAL",
        Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium if !model.contains("gemini-3-pro") => "MEDIUM",
        Effort::Medium | Effort::High | Effort::Xhigh | Effort::Max => "HIGH",
    }
}
