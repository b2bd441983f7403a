//! `max_budget` and `budget_duration`.

use bulkhead_model::rows::BudgetRow;
use bulkhead_model::{NanoUsd, WindowLength};

use crate::field::{Cx, Fields};

pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Option<BudgetRow> {
    let expected = "a length of time such as 30s, 24h, 7d or 1mo";
    let duration = fields.get("budget_duration");
    let window = duration.as_ref().and_then(|field| {
        field.parse(cx, expected, "30d", |scalar| scalar.text.parse::<WindowLength>().ok())
    });
    let Some(field) = fields.get("max_budget") else {
        if let Some(duration) = duration {
            duration.warn(cx, "there is no max_budget that this could be the window of", "max_budget: 10.0");
        }
        return None;
    };
    let max = field.amount(cx)?;
    if max == NanoUsd::ZERO {
        let what = "zero allows nothing: every request of this key is refused";
        field.warn(cx, what, "max_budget: 10.0, or no max_budget for no limit");
    }
    Some(BudgetRow { max, window })
}
