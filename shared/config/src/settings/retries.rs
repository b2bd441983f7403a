//! Retries and cooldowns.

use bulkhead_model::rows::RoutingRow;

use super::fallbacks::Mentions;
use crate::failures::{self, What};
use crate::field::{Cx, Field, Fields};

/// Nobody tries so often; a number above is a slip.
const MOST: u32 = 100;

/// Reads what both sections may say.
pub(super) fn read(section: &Fields<'_>, routing: &mut RoutingRow, cx: &mut Cx<'_>) {
    if let Some(retries) = section.get("num_retries").and_then(|field| tries(&field, cx)) {
        routing.num_retries = Some(retries);
    }
    if let Some(fails) = section.get("allowed_fails").and_then(|field| field.whole(cx, "3")) {
        routing.allowed_fails = Some(fails);
    }
}

/// Reads what only the router may say.
pub(super) fn read_router(
    section: &Fields<'_>,
    routing: &mut RoutingRow,
    mentions: &mut Mentions,
    cx: &mut Cx<'_>,
) {
    read(section, routing, cx);
    if let Some(field) = section.get("retry_policy") {
        routing.retry_policy = failures::read(&field, What::Retries, cx);
    }
    let of_groups = section.get("model_group_retry_policy");
    let of_groups = of_groups.and_then(|field| field.fields(cx, "{gpt-4o: {RateLimitErrorRetries: 3}}"));
    for field in of_groups.iter().flat_map(Fields::each).filter(|field| !field.node.is_null()) {
        mentions.failing(&field.at_key());
        let policy = failures::read(&field, What::Retries, cx);
        routing.group_retry_policies.push((field.name().to_owned(), policy));
    }
    if let Some(wait) = section.get("retry_after").and_then(|field| field.seconds_or_zero(cx, "1")) {
        routing.retry_after = wait;
    }
    if let Some(time) = section.get("cooldown_time").and_then(|field| field.seconds_or_zero(cx, "5")) {
        routing.cooldown_time = time;
    }
    if let Some(field) = section.get("allowed_fails_policy") {
        routing.allowed_fails_policy = failures::read(&field, What::AllowedFails, cx);
    }
    if let Some(disable) = section.get("disable_cooldowns").and_then(|field| field.boolean(cx)) {
        routing.disable_cooldowns = disable;
    }
}

/// A number of retries.
pub(crate) fn tries(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<u32> {
    let expected = format!("a number of retries from 0 to {MOST} such as 2");
    field.parse(cx, &expected, "2", |scalar| {
        let tries = scalar.decimal().filter(|tries| tries.fract() == 0.0)?;
        // In range, so the conversion is exact.
        (0.0..=f64::from(MOST)).contains(&tries).then_some(tries as u32)
    })
}
