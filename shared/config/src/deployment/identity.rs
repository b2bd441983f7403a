//! Ids of deployments.

use std::collections::HashMap;

use crate::field::{Cx, Fields};
use crate::json;
use crate::problem::Place;

use super::info::Info;

/// Hexadecimal digits of a derived id: 128 bits.
const DIGITS: usize = 32;

/// The ids given so far.
#[derive(Default)]
pub(super) struct Identities {
    declared: HashMap<String, Place>,
    derived: HashMap<String, usize>,
}

impl Identities {
    /// `model_info.id`, else a digest of the declaration without its credentials, so that a new key keeps the id.
    /// A second deployment that declares the same gets `-2`.
    pub(super) fn id(
        &mut self,
        group: Option<&str>,
        element: &Fields<'_>,
        info: &Info,
        cx: &mut Cx<'_>,
    ) -> String {
        if let Some(id) = &info.id {
            self.declare(id, element, cx);
            return id.clone();
        }
        let params =
            element.get("litellm_params").map(|params| json::canonical(params.node)).unwrap_or_default();
        let digest = digest(&format!("{}{params}", json::quoted(group.unwrap_or_default())));
        let count = self.derived.entry(digest.clone()).or_default();
        *count += 1;
        if *count == 1 { digest } else { format!("{digest}-{count}") }
    }

    fn declare(&mut self, id: &str, element: &Fields<'_>, cx: &mut Cx<'_>) {
        let field =
            element.get("model_info").and_then(|info| info.fields(cx, "{}")).and_then(|info| info.get("id"));
        let Some(field) = field else { return };
        match self.declared.get(id) {
            None => drop(self.declared.insert(id.to_owned(), field.place)),
            Some(first) => {
                let first = cx.report.line_of(*first, field.place);
                field.error(
                    cx,
                    format!("the id `{id}` is taken by the deployment in {first}"),
                    format!("id: {id}-2"),
                );
            }
        }
    }
}

fn digest(text: &str) -> String {
    let digest = bulkhead_model::KeyHash::of(text).to_string();
    digest.chars().take(DIGITS).collect()
}
