//! Prices of a deployment's own.

use bulkhead_model::PicoUsd;

use crate::field::{Cx, Field, Fields};
use crate::suggest;
use crate::table::{self, Price};

/// One cent per token: ten thousand dollars per million tokens. Whoever writes more means another unit.
const SUSPICIOUS: PicoUsd = PicoUsd(10_000_000_000);

/// The price fields of a mapping.
pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Vec<(String, PicoUsd)> {
    let mut out = Vec::new();
    for field in fields.each() {
        match table::price(field.name()) {
            None => {}
            Some(_) if field.node.is_null() => {}
            Some(Price::PerUnit) => out.extend(per_unit(&field, cx)),
            Some(Price::Structured) => {
                let what = "not read: prices with a structure of their own do not count in this version";
                let topic = format!("price.{}", field.name());
                cx.report.warn_once(
                    topic,
                    field.place,
                    &field.path,
                    what,
                    "nothing; the key may stay for LiteLLM",
                );
            }
            Some(Price::Unknown) => {
                let near = suggest::nearest(field.name(), table::price_names());
                let what = format!("`{}` is no price{}", field.name(), suggest::question(near));
                field.error(cx, what, format!("{}: 2.5e-06", near.unwrap_or("input_cost_per_token")));
            }
        }
    }
    out
}

fn per_unit(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<(String, PicoUsd)> {
    let price = field.price(cx)?;
    let per_token = field.name().contains("per_token") || field.name().contains("token_cost");
    if per_token && price > SUSPICIOUS {
        let what = "this is more than a cent per token; prices are dollars per single token";
        field.warn(cx, what, format!("{}: 2.5e-06 for $2.50 per million tokens", field.name()));
    }
    Some((field.name().to_owned(), price))
}

/// Both sets; of a price in both the first counts.
pub(super) fn joined(
    mut first: Vec<(String, PicoUsd)>,
    second: Vec<(String, PicoUsd)>,
) -> Vec<(String, PicoUsd)> {
    let more = second.into_iter().filter(|(name, _)| !first.iter().any(|(known, _)| known == name));
    let more: Vec<_> = more.collect();
    first.extend(more);
    first
}
