//! `anthropic_beta_headers`: what becomes of values of `anthropic-beta`, in the form of LiteLLM's file of that name.

use bulkhead_model::rows::BetaRow;

use crate::field::{Cx, Field};
use crate::provider;
use crate::suggest;

const PROVIDERS: &str = "{bedrock: {context-1m-2025-08-07: context-1m-2025-08-07}}";
const VALUES: &str = "{context-1m-2025-08-07: context-1m-2025-08-07}";

/// Reads providers, and of each its values: the name that it gets, or null.
pub(super) fn read(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<BetaRow> {
    let Some(providers) = field.fields(cx, PROVIDERS) else { return Vec::new() };
    let providers: Vec<_> = providers.each().collect();
    providers.iter().flat_map(|provider| values(provider, cx)).collect()
}

fn values(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<BetaRow> {
    let name = field.name();
    if provider::named(name).is_none() {
        let near = suggest::question(suggest::nearest(name, provider::names()));
        let what = format!("`{name}` is no provider of this version{near}");
        field.error(cx, what, format!("one of {}", suggest::listed(provider::names())));
        return Vec::new();
    }
    let Some(values) = field.fields(cx, VALUES) else { return Vec::new() };
    let values: Vec<_> = values.each().collect();
    values.iter().filter_map(|value| row(name, value, cx)).collect()
}

fn row(provider: &str, field: &Field<'_>, cx: &mut Cx<'_>) -> Option<BetaRow> {
    let sent = match field.node.is_null() {
        true => None,
        false => Some(one(field, &field.text(cx, field.name())?, cx)?),
    };
    let beta = one(field, field.name(), cx)?;
    Some(BetaRow { provider: provider.to_owned(), beta, sent })
}

/// One value of a header in which commas divide them.
fn one(field: &Field<'_>, text: &str, cx: &mut Cx<'_>) -> Option<String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Some(text.to_owned());
    }
    field.error(cx, format!("`{text}` is not one value of `anthropic-beta`"), VALUES);
    None
}
