//! Recorded exchanges with providers. `corpus/` beside this crate's sources has a folder for each.

use std::path::{Path, PathBuf};

use bulkhead_model::Endpoint;
use serde_json::Value;

/// A recorded exchange.
pub struct Recording {
    /// The provider's name and the folder's.
    pub id: String,
    /// Where it was recorded.
    pub endpoint: Endpoint,
    /// The answer's status.
    pub status: u64,
    /// The answer is a stream.
    pub streams: bool,
    /// Where it is from, and what a client must read out of it.
    pub meta: Value,
    /// The body that was sent, as far as it was recorded.
    pub request: Vec<u8>,
    /// The answer's body.
    pub body: Vec<u8>,
}

/// The selection that is in the repository.
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every recording below a folder, in order.
pub fn recordings(root: &Path) -> Vec<Recording> {
    let cases = folders(root).into_iter().flat_map(|provider| folders(&provider));
    let mut recordings: Vec<Recording> = cases.filter_map(|folder| recording(&folder)).collect();
    recordings.sort_by(|one, other| one.id.cmp(&other.id));
    recordings
}

impl Recording {
    /// True for an answer. Azure says with status 200 that it refuses a prompt.
    pub fn is_answer(&self) -> bool {
        let is_error = || {
            serde_json::from_slice(&self.body)
                .is_ok_and(|body: Value| body.get("error").is_some_and(Value::is_object))
        };
        self.status == 200 && (self.streams || !is_error())
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("a folder of recordings");
    entries.map(|entry| entry.expect("its entry").path()).filter(|path| path.is_dir()).collect()
}

/// `None` for one of an endpoint that we do not have.
fn recording(folder: &Path) -> Option<Recording> {
    let json = |name: &str| -> Value {
        let text = std::fs::read(folder.join(name)).expect("a recording's file");
        serde_json::from_slice(&text).expect("a recording's JSON")
    };
    let meta = json("meta.json");
    let kind = meta.get("kind")?.as_str()?;
    let endpoint = match meta.get("api")?.as_str()? {
        "openai.chat" => Endpoint::ChatCompletions,
        "openai.completions" => Endpoint::Completions,
        "openai.embeddings" => Endpoint::Embeddings,
        "cohere.embed" => Endpoint::CohereEmbed,
        "gemini.embed" => Endpoint::BatchEmbedContents,
        "gemini.countTokens" => Endpoint::GeminiCountTokens,
        "vertex.predict" => Endpoint::PredictEmbeddings,
        "bedrock.invoke" if kind == "json" && embeds(&json("response.json")) => Endpoint::InvokeEmbeddings,
        "openai.responses" => Endpoint::Responses,
        "anthropic.messages" => Endpoint::Messages,
        "gemini.generateContent" | "gemini.streamGenerateContent" => Endpoint::GenerateContent,
        "bedrock.converse" | "bedrock.converse-stream" => Endpoint::Converse,
        "cohere.chat" => Endpoint::CohereChat,
        "ollama.chat" => Endpoint::OllamaChat,
        _ => return None,
    };
    let sent = json("request.json");
    // Version 1 of Cohere's chat is another API.
    let is_older = || sent.get("path").and_then(Value::as_str) == Some("/v1/chat");
    if endpoint == Endpoint::CohereChat && is_older() {
        return None;
    }
    // One was recorded cut.
    let request = sent.get("body").map(Value::to_string).unwrap_or_default();
    Some(Recording {
        id: meta.get("id")?.as_str()?.to_owned(),
        endpoint,
        status: meta.get("status")?.as_u64()?,
        streams: matches!(kind, "sse" | "bin" | "ndjson"),
        body: std::fs::read(folder.join(format!("response.{kind}"))).expect("a recorded answer"),
        request: request.into_bytes(),
        meta,
    })
}

/// An answer of vectors: conversations are recorded under the same name.
fn embeds(answer: &Value) -> bool {
    ["embedding", "embeddings"].iter().any(|name| answer.get(name).is_some())
}
