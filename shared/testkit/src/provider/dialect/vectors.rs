//! Embeddings of Google, Cohere and Amazon. The same text has the same vector as at `/v1/embeddings`.

use bulkhead_model::Endpoint;

use super::embeddings::{DIMENSIONS, vector};
use crate::provider::ask::Ask;
use crate::provider::errors::Problem;
use crate::provider::json::Members;
use crate::provider::say::Say;
use crate::provider::text::quoted;

/// Longest vector.
const MOST: usize = 4096;

pub(crate) fn body(ask: &Ask<'_>, say: &Say) -> String {
    let tokens = say.reported.map(|usage| usage.input);
    let members = &ask.members;
    match ask.endpoint {
        Endpoint::EmbedContent => {
            let usage = tokens.map(|tokens| format!(r#","usageMetadata":{{"promptTokenCount":{tokens}}}"#));
            format!(r#"{{"embedding":{}{}}}"#, of_content(members), usage.unwrap_or_default())
        }
        Endpoint::BatchEmbedContents => {
            // What it used is not told.
            let all: Vec<_> = members.objects("requests").iter().map(of_content).collect();
            format!(r#"{{"embeddings":[{}]}}"#, all.join(","))
        }
        Endpoint::PredictEmbeddings => predictions(members, tokens),
        Endpoint::CohereEmbed => {
            let units = tokens.map(|tokens| format!(r#","billed_units":{{"input_tokens":{tokens}}}"#));
            let vectors = of_cohere(members).join(",");
            let units = units.unwrap_or_default();
            format!(
                r#"{{"id":"mock","embeddings":{{"float":[{vectors}]}},"meta":{{"api_version":{{"version":"2"}}{units}}},"response_type":"embeddings_by_type"}}"#
            )
        }
        _ => invoked(members, tokens),
    }
}

/// What Google checks first: each request says the model that the path says.
pub(crate) fn check(endpoint: Endpoint, model: &str, members: &Members<'_>) -> Result<(), Problem> {
    if endpoint != Endpoint::BatchEmbedContents {
        return Ok(());
    }
    let expected = format!("models/{model}");
    let is_wrong = |one: &Members<'_>| one.get::<String>("model").as_deref() != Some(&*expected);
    match members.objects("requests").iter().any(is_wrong) {
        true => {
            let message =
                format!("BatchEmbedContentsRequest.requests[0].model: must match the model: {expected}");
            Err(Problem::invalid("requests", "INVALID_ARGUMENT", message))
        }
        false => Ok(()),
    }
}

fn numbers(text: &str, dimensions: Option<usize>) -> String {
    let dimensions = dimensions.unwrap_or(DIMENSIONS).min(MOST);
    serde_json::to_string(&vector(&quoted(text), dimensions)).unwrap_or_default()
}

fn of_content(request: &Members<'_>) -> String {
    let parts = request.object("content").map(|content| content.objects("parts")).unwrap_or_default();
    let texts: Vec<String> = parts.iter().filter_map(|part| part.get("text")).collect();
    let newer = || request.object("embedContentConfig")?.get("outputDimensionality");
    let dimensions = request.get("outputDimensionality").or_else(newer);
    format!(r#"{{"values":{}}}"#, numbers(&texts.join("\n"), dimensions))
}

fn predictions(members: &Members<'_>, tokens: Option<u64>) -> String {
    let dimensions = members.object("parameters").and_then(|it| it.get("outputDimensionality"));
    let instances = members.objects("instances");
    let count = instances.len().max(1) as u64;
    let one = |(index, instance): (usize, &Members<'_>)| {
        let text: String = instance.get("content").unwrap_or_default();
        // All of it with the first, but for what is left over.
        let tokens = tokens.map(|all| if index == 0 { all - all / count * (count - 1) } else { all / count });
        let statistics =
            tokens.map(|tokens| format!(r#","statistics":{{"token_count":{tokens},"truncated":false}}"#));
        let values = numbers(&text, dimensions);
        format!(r#"{{"embeddings":{{"values":{values}{}}}}}"#, statistics.unwrap_or_default())
    };
    let all: Vec<_> = instances.iter().enumerate().map(one).collect();
    format!(r#"{{"predictions":[{}]}}"#, all.join(","))
}

fn of_cohere(members: &Members<'_>) -> Vec<String> {
    let texts: Vec<String> = members.get("texts").or_else(|| members.get("images")).unwrap_or_default();
    texts.iter().map(|text| numbers(text, members.get("output_dimension"))).collect()
}

/// Titan's, Nova's and Cohere's bodies have nothing in common.
fn invoked(members: &Members<'_>, tokens: Option<u64>) -> String {
    if let Some(params) = members.object("singleEmbeddingParams") {
        let text: String = params.object("text").and_then(|text| text.get("value")).unwrap_or_default();
        let vector = numbers(&text, params.get("embeddingDimension"));
        return format!(r#"{{"embeddings":[{{"embedding":{vector},"embeddingType":"TEXT"}}]}}"#);
    }
    if members.present("input_type").is_some() {
        let vectors = of_cohere(members).join(",");
        return format!(r#"{{"embeddings":[{vectors}],"id":"mock","response_type":"embeddings_floats"}}"#);
    }
    let text: String = members.get("inputText").unwrap_or_default();
    let vector = numbers(&text, members.get("dimensions"));
    let count = tokens.map(|tokens| format!(r#","inputTextTokenCount":{tokens}"#)).unwrap_or_default();
    format!(r#"{{"embedding":{vector},"embeddingsByType":{{"float":{vector}}}{count}}}"#)
}
