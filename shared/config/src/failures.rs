//! Numbers by class of failure: `retry_policy` and `allowed_fails_policy`.

use bulkhead_model::rows::ByFailure;

use crate::field::{Cx, Field};
use crate::suggest;

/// What is numbered: the end of LiteLLM's names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Retries,
    AllowedFails,
}

type Slot = fn(&mut ByFailure) -> &mut Option<u32>;

/// The beginnings of LiteLLM's names.
const CLASSES: [(&str, Slot); 9] = [
    ("BadRequestError", |policy| &mut policy.bad_request),
    ("AuthenticationError", |policy| &mut policy.authentication),
    ("TimeoutError", |policy| &mut policy.timeout),
    ("RateLimitError", |policy| &mut policy.rate_limit),
    ("ContentPolicyViolationError", |policy| &mut policy.content_policy),
    ("InternalServerError", |policy| &mut policy.internal),
    ("ServiceUnavailableError", |policy| &mut policy.unavailable),
    ("NotFoundError", |policy| &mut policy.not_found),
    ("Default", |policy| &mut policy.default),
];

impl What {
    fn ending(self) -> &'static str {
        match self {
            Self::Retries => "Retries",
            Self::AllowedFails => "AllowedFails",
        }
    }

    fn names(self) -> impl Iterator<Item = (String, Slot)> {
        CLASSES.into_iter().map(move |(class, slot)| (format!("{class}{}", self.ending()), slot))
    }
}

/// What `allowed_fails_policy` says, by LiteLLM's names.
pub fn allowed_fails(mut policy: ByFailure) -> impl Iterator<Item = (String, u32)> {
    What::AllowedFails.names().filter_map(move |(name, slot)| Some((name, (*slot(&mut policy))?)))
}

/// Reads a policy; an unknown class is a mistake.
pub(crate) fn read(field: &Field<'_>, what: What, cx: &mut Cx<'_>) -> ByFailure {
    let mut policy = ByFailure::default();
    let example = format!("{{RateLimitError{}: 3}}", what.ending());
    let Some(fields) = field.fields(cx, &example) else { return policy };
    for field in fields.each() {
        match what.names().find(|(name, _)| name == field.name()) {
            Some((_, slot)) if !field.node.is_null() => *slot(&mut policy) = field.whole(cx, "3"),
            Some(_) => {}
            None => unknown(&field.at_key(), what, cx),
        }
    }
    policy
}

fn unknown(field: &Field<'_>, what: What, cx: &mut Cx<'_>) {
    let names: Vec<String> = what.names().map(|(name, _)| name).collect();
    let near = suggest::nearest(field.name(), names.iter().map(String::as_str));
    let said = format!("there is no class of failures `{}`{}", field.name(), suggest::question(near));
    let remedy = match near {
        Some(near) => format!("{near}: 3"),
        None => format!("one of {}", names.join(", ")),
    };
    field.error(cx, said, remedy);
}
