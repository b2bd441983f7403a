//! Recorded exchanges: a selection in the repository, or all of them where `BULKHEAD_CORPUS` says.

use std::path::{Path, PathBuf};

use bulkhead_dialect::translate::{AnswerOptions, Dialect, Plan};
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
    }
}

/// All answers with status 200, in order.
pub(crate) fn cases() -> Vec<Case> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/corpus");
    let root = std::env::var_os("BULKHEAD_CORPUS").map_or(default, PathBuf::from);
    let mut cases: Vec<Case> = folders(&root).iter().filter_map(|folder| case(folder)).collect();
    cases.sort_by(|one, other| one.id.cmp(&other.id));
    assert!(cases.len() > 200, "{} cases", cases.len());
    cases
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let read = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    read(root).filter(|path| path.is_dir()).flat_map(|path| read(&path)).collect()
}

fn case(folder: &Path) -> Option<Case> {
    let meta: Value = serde_json::from_slice(&std::fs::read(folder.join("meta.json")).ok()?).unwrap();
    let dialect = match meta["api"].as_str()? {
        "openai.chat" => Dialect::Chat,
        "anthropic.messages" => Dialect::Messages,
        "openai.responses" => Dialect::Responses,
        "gemini.generateContent" | "gemini.streamGenerateContent" => Dialect::Gemini,
        "bedrock.converse" | "bedrock.converse-stream" => Dialect::Converse,
        _ => return None,
    };
    // Some recordings are of another dialect than their folder says, and expect nothing.
    if meta["status"] != 200 || meta["expect"].is_null() || is_mislabelled(&meta) {
        return None;
    }
    let kind = meta["kind"].as_str()?;
    let streams = kind != "json";
    let body = std::fs::read(folder.join(format!("response.{kind}"))).unwrap();
    // Azure says with status 200 that it refuses a prompt.
    if !streams && serde_json::from_slice::<Value>(&body).unwrap()["error"].is_object() {
        return None;
    }
    let exchange: Value =
        serde_json::from_slice(&std::fs::read(folder.join("request.json")).unwrap()).unwrap();
    Some(Case {
        id: meta["id"].as_str()?.to_owned(),
        dialect,
        streams,
        expect: meta["expect"].clone(),
        is_recorded: meta["request_is_synthetic"] == false,
        // One was recorded cut.
        request: exchange.get("body").map(|body| serde_json::to_vec(body).unwrap()).unwrap_or_default(),
        body,
    })
}

/// A recording in which its own dialect finds neither an end nor a usage.
fn is_mislabelled(meta: &Value) -> bool {
    meta["api"] == "openai.responses"
        && meta["expect"]["finish"].is_null()
        && meta["expect"]["usage"]["input"].is_null()
}
