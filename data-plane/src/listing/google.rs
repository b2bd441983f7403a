//! Models in Google's shape, in pages.

use serde::Serialize;

use super::Model;
use crate::fault::{Fault, Outcome};

/// Google's limit; where a client names none it gets as many.
const MOST: usize = 1000;

/// What a model can be asked.
const GENERATES: &[&str] = &["generateContent", "streamGenerateContent", "countTokens"];
const EMBEDS: &[&str] = &["embedContent", "batchEmbedContents", "countTokens"];

/// A model.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoogleModel {
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_token_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_token_limit: Option<u64>,
    supported_generation_methods: &'static [&'static str],
}

/// A page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoogleList {
    models: Vec<GoogleModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) fn described(model: Model) -> GoogleModel {
    let embeds = model.mode.as_deref() == Some("embedding");
    GoogleModel {
        name: format!("models/{}", model.id),
        display_name: model.id,
        input_token_limit: model.max_input_tokens,
        output_token_limit: model.max_output_tokens,
        supported_generation_methods: if embeds { EMBEDS } else { GENERATES },
    }
}

/// The page that a query asks for. A page's token is the name of the last model before it, so that a list which changes
/// meanwhile shows no model twice.
pub(super) fn page(models: Vec<Model>, query: &str) -> Outcome<GoogleList> {
    let said = |names: [&str; 2]| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(name, _)| names.contains(name))?.1;
        Some(bulkhead_front::decoded(value).into_owned()).filter(|value| !value.is_empty())
    };
    let size = match said(["pageSize", "page_size"]) {
        None => MOST,
        Some(size) => match size.parse::<usize>() {
            Ok(0) => MOST,
            Ok(size) => size.min(MOST),
            Err(_) => return Err(wrong("pageSize", "a whole number, zero or more")),
        },
    };
    let first = match said(["pageToken", "page_token"]) {
        None => 0,
        Some(token) => match models.iter().position(|model| model.id == token) {
            Some(last) => last + 1,
            None => return Err(wrong("pageToken", "the nextPageToken of the page before")),
        },
    };
    let left = models.len().saturating_sub(first);
    let models: Vec<_> = models.into_iter().skip(first).take(size).collect();
    let next_page_token = models.last().filter(|_| left > size).map(|last| last.id.clone());
    Ok(GoogleList { models: models.into_iter().map(described).collect(), next_page_token })
}

fn wrong(name: &str, expected: &str) -> Box<Fault> {
    Fault::field(name, format!("Invalid value for '{name}': expected {expected}."))
}
