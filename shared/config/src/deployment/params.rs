//! `litellm_params`, but for what decides where a request goes.

use std::time::Duration;

use bulkhead_model::PicoUsd;
use bulkhead_model::rows::{ExtraHeader, JsonMember};
use http::header::{self, HeaderName};

use super::cooling::Cooling;
use super::prices;
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::json;
use crate::settings::tries;
use crate::table::{self, Section};

#[derive(Clone, Default)]
pub(super) struct Params {
    pub(super) organization: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) first_byte_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) num_retries: Option<u32>,
    pub(super) max_parallel: Option<u32>,
    pub(super) cooling: Cooling,
    pub(super) weight: Option<u32>,
    pub(super) rpm: Option<u64>,
    pub(super) tpm: Option<u64>,
    pub(super) order: Option<i64>,
    pub(super) tags: Vec<String>,
    pub(super) extra_headers: Vec<ExtraHeader>,
    pub(super) extra_body: Vec<JsonMember>,
    pub(super) call_params: Vec<JsonMember>,
    pub(super) drop_params: Option<bool>,
    pub(super) drop_always: Vec<String>,
    pub(super) base_model: Option<String>,
    pub(super) prices: Vec<(String, PicoUsd)>,
}

impl Params {
    pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Self {
        // Prices and call parameters are not in the table by name.
        check::names(fields, Section::LitellmParams, cx, |_, _| {});
        Self {
            organization: fields
                .get("organization")
                .and_then(|field| super::printable(&field, "org-123", cx)),
            timeout: fields.get("timeout").and_then(|field| field.seconds(cx, "60")),
            stream_timeout: fields.get("stream_timeout").and_then(|field| field.seconds(cx, "30")),
            connect_timeout: fields.get("connect_timeout").and_then(|field| field.seconds(cx, "10")),
            first_byte_timeout: fields.get("first_byte_timeout").and_then(|field| field.seconds(cx, "60")),
            idle_timeout: fields.get("idle_timeout").and_then(|field| field.seconds(cx, "60")),
            num_retries: retries(fields, cx),
            max_parallel: fields.get("max_parallel_requests").and_then(|field| field.whole(cx, "100")),
            cooling: Cooling::read(fields, cx),
            weight: fields.get("weight").and_then(|field| thousandths(&field, cx)),
            rpm: fields.get("rpm").and_then(|field| field.whole(cx, "60")),
            tpm: fields.get("tpm").and_then(|field| field.whole(cx, "100000")),
            order: fields.get("order").and_then(|field| field.whole(cx, "1")),
            tags: fields.get("tags").map(|field| field.texts(cx, "free")).unwrap_or_default(),
            extra_headers: fields.get("extra_headers").map(|field| headers(&field, cx)).unwrap_or_default(),
            extra_body: fields.get("extra_body").map(|field| members(&field, cx)).unwrap_or_default(),
            call_params: call_params(fields, cx),
            drop_params: fields.get("drop_params").and_then(|field| field.boolean(cx)),
            drop_always: fields
                .get("additional_drop_params")
                .map(|field| dropped(&field, cx))
                .unwrap_or_default(),
            base_model: fields.get("base_model").and_then(|field| field.text(cx, "gpt-4o")),
            prices: prices::read(fields, cx),
        }
    }
}

/// `num_retries`, else the provider SDK's `max_retries`: both are how often LiteLLM tries again.
fn retries(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Option<u32> {
    let [retries, sdk] =
        ["num_retries", "max_retries"].map(|name| fields.get(name).and_then(|field| tries(&field, cx)));
    retries.or(sdk)
}

fn thousandths(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<u32> {
    let expected = "a weight from 0 to 1000000 such as 1 or 0.5";
    let value = field.parse(cx, expected, "1", |scalar| {
        scalar.decimal().filter(|value| (0.0..=1_000_000.0).contains(value))
    })?;
    // In range, so the conversion only drops the fraction of a thousandth.
    Some((value * 1000.0).round() as u32)
}

/// Headers that belong to one connection or to the body; the gateway writes them itself.
const OWN_HEADERS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

fn headers(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<ExtraHeader> {
    let fields = field.fields(cx, "{x-team: red}");
    let mut out: Vec<ExtraHeader> = Vec::new();
    for field in fields.iter().flat_map(Fields::each).filter(|field| !field.node.is_null()) {
        let Ok(name) = HeaderName::from_bytes(field.name().as_bytes()) else {
            field.error(cx, "the name of this header is no header name", "x-name: value");
            continue;
        };
        if OWN_HEADERS.contains(&name) {
            field.error(
                cx,
                format!("the gateway writes the header `{name}` itself"),
                "extra_headers without it",
            );
            continue;
        }
        if out.iter().any(|other| other.name == name.as_str()) {
            field.error(cx, format!("the header `{name}` is there twice"), "one spelling of the name");
            continue;
        }
        if let Some(value) = field.secret(cx) {
            out.push(ExtraHeader { name: name.as_str().to_owned(), value });
        }
    }
    out
}

fn members(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<JsonMember> {
    let fields = field.fields(cx, "{seed: 1}");
    let fields: Vec<_> = fields.iter().flat_map(Fields::each).collect();
    fields.iter().filter_map(|field| member(field, cx)).collect()
}

fn member(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<JsonMember> {
    json::text(field, cx).map(|json| JsonMember { name: field.name().to_owned(), json })
}

/// What is neither in the table nor a price goes into request bodies. A name that is only a slip away from another
/// gets a warning, because a misspelt `api_key` would do so too.
fn call_params(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Vec<JsonMember> {
    let mut out = Vec::new();
    for field in fields.each().filter(|field| !field.node.is_null()) {
        let name = field.name();
        if Section::LitellmParams.class(name).is_some() || table::price(name).is_some() {
            continue;
        }
        if let Some(near) = check::slip_of(name, Section::LitellmParams) {
            let what =
                format!("`{name}` is sent to the provider as a call parameter; did you mean `{near}`?");
            field.warn(cx, what, format!("{near}: …"));
        }
        out.extend(member(&field, cx));
    }
    out
}

fn dropped(field: &Field<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in field.items(cx, "[response_format]").unwrap_or_default() {
        let Some(name) = item.text(cx, "response_format") else { continue };
        match name.split(['.', '[', '*']).next().filter(|top| *top != name) {
            None => names.push(name),
            Some(top) => {
                let what =
                    format!("`{name}` is a path inside a parameter; only whole parameters can be dropped");
                item.error(cx, what, if top.is_empty() { "response_format" } else { top });
            }
        }
    }
    names
}
