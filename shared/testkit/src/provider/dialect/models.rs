//! `/v1/models`, in OpenAI's and Anthropic's shape.

use crate::provider::text::{CREATED, quoted};

/// The names that are listed. Every other name works, too.
const LISTED: [&str; 6] =
    ["ok", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "claude-sonnet-4-5", "claude-haiku-4-5"];

fn one(anthropic: bool, name: &str) -> String {
    let name = quoted(name);
    if anthropic {
        format!(r#"{{"type":"model","id":{name},"display_name":{name},"created_at":"2026-01-01T00:00:00Z"}}"#)
    } else {
        format!(r#"{{"id":{name},"object":"model","created":{CREATED},"owned_by":"mock"}}"#)
    }
}

/// All models, or the one that was asked for.
pub(crate) fn body(anthropic: bool, asked: Option<&str>) -> String {
    if let Some(name) = asked {
        return one(anthropic, name);
    }
    let models: Vec<_> = LISTED.iter().map(|name| one(anthropic, name)).collect();
    let models = models.join(",");
    if anthropic {
        let (first, last) = ("\"ok\"", "\"claude-haiku-4-5\"");
        format!(r#"{{"data":[{models}],"has_more":false,"first_id":{first},"last_id":{last}}}"#)
    } else {
        format!(r#"{{"object":"list","data":[{models}]}}"#)
    }
}
