//! Recorded exchanges: a selection in the repository, or all of them where `BULKHEAD_CORPUS` says.

use std::path::PathBuf;

use bulkhead_dialect::translate::{AnswerOptions, Dialect, Plan};
use bulkhead_testkit::{Recording, corpus, recordings};
use serde_json::Value;

pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) dialect: Dialect,
    pub(crate) streams: bool,
    pub(crate) expect: Value,
    pub(crate) request: Vec<u8>,
    /// The request is one that was sent.
    pub(crate) is_recorded: bool,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn options() -> AnswerOptions {
    AnswerOptions {
        shown_model: Some("shown-model".to_owned()),
        id: "id-1".to_owned(),
        created: 1_700_000_000,
        plan: Plan { include_usage: true, ..Plan::default() },
        max_event: 1 << 20,
        json_array: false,
        input_tokens: None,
    }
}

/// All answers, in order.
pub(crate) fn cases() -> Vec<Case> {
    let root = std::env::var_os("BULKHEAD_CORPUS").map_or_else(corpus, PathBuf::from);
    let cases: Vec<Case> = recordings(&root).into_iter().filter_map(case).collect();
    assert!(cases.len() > 200, "{} cases", cases.len());
    cases
}

fn case(recording: Recording) -> Option<Case> {
    let meta = &recording.meta;
    let dialect = Dialect::of(recording.endpoint).filter(|dialect| Dialect::UPSTREAMS.contains(dialect))?;
    // Some recordings are of another dialect than their folder says, and expect nothing.
    if !recording.is_answer() || meta["expect"].is_null() || is_mislabelled(meta) {
        return None;
    }
    Some(Case {
        dialect,
        streams: recording.streams,
        expect: meta["expect"].clone(),
        is_recorded: meta["request_is_synthetic"] == false,
        id: recording.id,
        request: recording.request,
        body: recording.body,
    })
}

/// A recording in which its own dialect finds neither an end nor a usage.
fn is_mislabelled(meta: &Value) -> bool {
    meta["api"] == "openai.responses"
        && meta["expect"]["finish"].is_null()
        && meta["expect"]["usage"]["input"].is_null()
}
