//! `litellm_settings`.

use bulkhead_model::rows::SettingsRow;
use jiff::tz::TimeZone;

use super::fallbacks::{self, Mentions};
use super::retries;
use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::table::Section;

pub(super) fn read(section: &Fields<'_>, row: &mut SettingsRow, mentions: &mut Mentions, cx: &mut Cx<'_>) {
    check::strict(section, Section::Litellm, cx);
    fallbacks::read(section, &mut row.routing, mentions, cx);
    retries::read(section, &mut row.routing, cx);
    let callbacks = ["callbacks", "success_callback"].into_iter().filter_map(|name| section.get(name));
    row.litellm_metrics = callbacks.flat_map(|field| field.plain_texts()).any(|name| name == "prometheus");
    if let Some(drop) = section.get("drop_params").and_then(|field| field.boolean(cx)) {
        row.drop_params = drop;
    }
    if let Some(timeout) = section.get("request_timeout").and_then(|field| field.seconds(cx, "600")) {
        row.request_timeout = timeout;
    }
    if let Some(status) = section.get("budget_exceeded_status_code").and_then(|field| status(&field, cx)) {
        row.budget_exceeded_status = status;
    }
    if let Some(zone) = section.get("timezone").and_then(|field| timezone(&field, cx)) {
        row.timezone = zone;
    }
}

fn status(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<u16> {
    let expected = "a status from 400 to 599 such as 429";
    field.parse(cx, expected, "429", |scalar| {
        scalar.text.trim().parse().ok().filter(|status| (400..600).contains(status))
    })
}

fn timezone(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let expected = "an IANA time zone such as Europe/Berlin or UTC";
    field.parse(cx, expected, "Europe/Berlin", |scalar| {
        let zone = TimeZone::get(scalar.text.trim()).ok()?;
        zone.iana_name().map(str::to_owned)
    })
}
