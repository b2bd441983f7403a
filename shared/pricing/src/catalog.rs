//! Reads a price catalog: LiteLLM's `model_prices_and_context_window.json`.
//!
//! Prices stay the text they are written as: a detour through a float would change them. Shared with the build
//! script.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{
    abilities::Abilities,
    error::CatalogError,
    field::{Class, classify},
    tiered,
};

/// The entry that documents the format.
const FORMAT_SAMPLE: &str = "sample_spec";

/// A model as the catalog describes it.
pub(crate) struct Entry<'a> {
    /// Its name, often with the provider before a slash.
    pub(crate) name: String,
    /// `litellm_provider`.
    pub(crate) provider: String,
    /// `mode`: chat, embedding, ...
    pub(crate) mode: Option<String>,
    /// The most input tokens.
    pub(crate) max_input: Option<u64>,
    /// The most output tokens.
    pub(crate) max_output: Option<u64>,
    /// What it can do.
    pub(crate) abilities: Abilities,
    /// Rates by field name, as literal decimals.
    pub(crate) rates: Vec<(String, &'a str)>,
}

/// The models of a catalog by name.
pub(crate) fn entries(json: &str) -> Result<Vec<Entry<'_>>, CatalogError> {
    let models: BTreeMap<String, &RawValue> =
        serde_json::from_str(json).map_err(|error| CatalogError::Malformed(error.to_string()))?;
    models
        .into_iter()
        .filter(|(name, _)| name != FORMAT_SAMPLE)
        .filter_map(|(name, raw)| entry(name, raw).transpose())
        .collect()
}

/// `None` where neither provider nor price is given: the catalog keeps rules for naming models among its entries.
fn entry(name: String, raw: &RawValue) -> Result<Option<Entry<'_>>, CatalogError> {
    let Ok(members) = serde_json::from_str(raw.get()) else {
        return Err(CatalogError::WrongType { model: name, field: String::new(), wanted: "an object" });
    };
    let members = Members { model: &name, members };
    let rates = rates(&members)?;
    let Some(provider) = members.text("litellm_provider")? else {
        return if rates.is_empty() { Ok(None) } else { Err(members.wrong("litellm_provider", "given")) };
    };
    let mode = members.text("mode")?;
    // `max_tokens` stands in for a missing limit; an embedding has no output that it could limit.
    let limit = members.tokens("max_tokens")?;
    let max_input = members.tokens("max_input_tokens")?.or(limit);
    let limit = limit.filter(|_| mode.as_deref() != Some("embedding"));
    let max_output = members.tokens("max_output_tokens")?.or(limit);
    let abilities = Abilities {
        reasoning: members.flag("supports_reasoning"),
        adaptive_thinking: members.flag("supports_adaptive_thinking"),
        output_schema: members.flag(match provider.starts_with("bedrock") {
            true => "supports_bedrock_native_structured_output",
            false => "supports_native_structured_output",
        }),
    };
    Ok(Some(Entry { provider, mode, max_input, max_output, abilities, rates, name }))
}

/// The rates of a model. Zeros beside a price in another unit are placeholders, not prices.
fn rates<'a>(members: &Members<'a, '_>) -> Result<Vec<(String, &'a str)>, CatalogError> {
    let mut rates = Vec::new();
    let mut other_unit = false;
    for (name, raw) in &members.members {
        match classify(name) {
            Some(Class::Rate(_)) => rates.extend(members.number(name)?.map(|price| (name.clone(), price))),
            Some(Class::OtherUnit) => other_unit |= !is_zero(raw.get()),
            Some(Class::Extra) | None => {}
        }
    }
    tiered::flatten(members, &mut rates)?;
    if other_unit && rates.iter().all(|(_, price)| is_zero(price)) {
        rates.clear();
    }
    Ok(rates)
}

/// True for `0`, `0.0`, `0e-9`; false for what is no number.
fn is_zero(literal: &str) -> bool {
    let mantissa = literal.split(['e', 'E']).next().unwrap_or(literal);
    mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
}

/// The members of one model, or of one tier of its prices.
pub(crate) struct Members<'a, 'n> {
    /// The model's name, for errors.
    pub(crate) model: &'n str,
    /// Values by name.
    pub(crate) members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Members<'a, '_> {
    /// The JSON text of a member; `null` is absent.
    pub(crate) fn raw(&self, field: &str) -> Option<&'a str> {
        self.members.get(field).map(|raw| raw.get()).filter(|raw| *raw != "null")
    }

    /// A number as it is written.
    pub(crate) fn number(&self, field: &str) -> Result<Option<&'a str>, CatalogError> {
        match self.raw(field) {
            Some(raw) if !raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                Err(self.wrong(field, "a number"))
            }
            raw => Ok(raw),
        }
    }

    /// What is no flag is not set.
    fn flag(&self, field: &str) -> bool {
        self.raw(field) == Some("true")
    }

    fn text(&self, field: &str) -> Result<Option<String>, CatalogError> {
        let read = |raw| serde_json::from_str(raw).map_err(|_| self.wrong(field, "a string"));
        self.raw(field).map(read).transpose()
    }

    fn tokens(&self, field: &str) -> Result<Option<u64>, CatalogError> {
        let read = |raw| tokens(raw).ok_or_else(|| self.wrong(field, "a number of tokens"));
        self.raw(field).map(read).transpose()
    }

    /// The error for a member of the wrong type.
    pub(crate) fn wrong(&self, field: &str, wanted: &'static str) -> CatalogError {
        CatalogError::WrongType { model: self.model.to_owned(), field: field.to_owned(), wanted }
    }
}

/// A whole number, which the catalog also writes as `256000.0`.
pub(crate) fn tokens(literal: &str) -> Option<u64> {
    let (whole, fraction) = literal.split_once('.').unwrap_or((literal, "0"));
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    whole.parse().ok().filter(|_| is_whole)
}
