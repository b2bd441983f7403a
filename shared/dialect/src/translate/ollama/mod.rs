//! Ollama's own chat. Providers are asked in it, no client asks us in it.

mod answer_reader;
mod options_writer;
mod request_writer;
mod turn_writer;

pub(super) use answer_reader::Reader;
pub(super) use request_writer::write_request;

use super::form::Knob;

/// Members of `options` that Ollama alone has. LiteLLM takes them from chat clients by these names.
pub(super) const OPTIONS: [&str; 17] = [
    "num_ctx",
    "num_predict",
    "num_keep",
    "num_batch",
    "num_gpu",
    "num_gqa",
    "num_thread",
    "main_gpu",
    "use_mmap",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "repeat_last_n",
    "repeat_penalty",
    "tfs_z",
    "min_p",
    "typical_p",
];

/// Members of a request that Ollama alone has, likewise.
pub(super) const OWN: [&str; 3] = ["keep_alive", "think", "format"];

/// True for a name of either.
pub(super) fn is_own(name: &str) -> bool {
    OPTIONS.contains(&name) || OWN.contains(&name)
}

/// What this dialect calls a knob that it has: in `options`, but for the probabilities.
pub(super) fn name_of(knob: Knob) -> Option<&'static str> {
    Some(match knob {
        Knob::MaxTokens => "num_predict",
        Knob::Temperature => "temperature",
        Knob::TopP => "top_p",
        Knob::TopK => "top_k",
        Knob::Seed => "seed",
        Knob::FrequencyPenalty => "frequency_penalty",
        Knob::PresencePenalty => "presence_penalty",
        Knob::Logprobs => "logprobs",
        Knob::TopLogprobs => "top_logprobs",
        _ => return None,
    })
}
