//! Fallbacks: the groups to which a request goes on when one fails.

use bulkhead_model::rows::{ChainRow, RoutingRow};

use crate::field::{Cx, Field, Fields};
use crate::problem::Place;
use crate::reach::Reach;
use crate::suggest;

/// Stands for any group without a chain of its own.
const ANY: &str = "*";
const EXAMPLE: &str = "[{gpt-4o: [claude-sonnet]}]";

/// Names of groups in fallbacks and policies, to be held against what is served when that is known.
#[derive(Default)]
pub(crate) struct Mentions(Vec<Mention>);

struct Mention {
    name: String,
    /// It is the group that fails, not one to go on to.
    fails: bool,
    place: Place,
    path: String,
}

/// Reads the lists of a section. One that says something takes the place of what was there.
pub(super) fn read(section: &Fields<'_>, routing: &mut RoutingRow, mentions: &mut Mentions, cx: &mut Cx<'_>) {
    let mut list = |name: &str, cx: &mut Cx<'_>| {
        section.get(name).map(|field| chains(&field, mentions, cx)).filter(|list| !list.is_empty())
    };
    if let Some(chains) = list("fallbacks", cx) {
        routing.fallbacks = chains;
    }
    if let Some(chains) = list("context_window_fallbacks", cx) {
        routing.context_window_fallbacks = Some(chains);
    }
    if let Some(chains) = list("content_policy_fallbacks", cx) {
        routing.content_policy_fallbacks = Some(chains);
    }
    if let Some(field) = section.get("default_fallbacks") {
        let names = targets(&field, None, mentions, cx);
        if !names.is_empty() {
            routing.default_fallbacks = names;
        }
    }
    if let Some(most) = section.get("max_fallbacks").and_then(|field| field.whole(cx, "5")) {
        routing.max_fallbacks = most;
    }
}

/// A list of mappings from a group to where its requests go on.
pub(crate) fn chains(field: &Field<'_>, mentions: &mut Mentions, cx: &mut Cx<'_>) -> Vec<ChainRow> {
    let mut rows = Vec::new();
    for item in field.items(cx, EXAMPLE).unwrap_or_default() {
        let fields = item.fields(cx, "{gpt-4o: [claude-sonnet]}");
        for chain in fields.iter().flat_map(Fields::each) {
            let group = chain.name().to_owned();
            if group != ANY {
                mentions.failing(&chain.at_key());
            }
            let targets = targets(&chain, Some(&group), mentions, cx);
            rows.push(ChainRow { group, targets });
        }
    }
    rows
}

fn targets(field: &Field<'_>, of: Option<&str>, mentions: &mut Mentions, cx: &mut Cx<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in field.items(cx, "[claude-sonnet]").unwrap_or_default() {
        let Some(name) = item.text(cx, "claude-sonnet") else { continue };
        if of == Some(&name) {
            item.error(cx, format!("`{name}` goes on to itself, where it has just failed"), "another group");
            continue;
        }
        mentions.add(&item, &name, false);
        names.push(name);
    }
    names
}

impl Mentions {
    fn add(&mut self, field: &Field<'_>, name: &str, fails: bool) {
        let Field { place, path, .. } = field.clone();
        self.0.push(Mention { name: name.to_owned(), fails, place, path });
    }

    /// A field that has the name of a group that may fail.
    pub(super) fn failing(&mut self, field: &Field<'_>) {
        self.add(field, field.name(), true);
    }

    /// A target that nothing serves would be found out when something else has failed already, so it is an error. A chain
    /// or policy of a group that nobody can ask for only has no effect. Where no model is declared at all, that is told instead.
    pub(crate) fn check(&self, reach: &Reach, cx: &mut Cx<'_>) {
        if reach.groups().next().is_none() {
            return;
        }
        for Mention { name, fails, place, path } in &self.0 {
            if if *fails { reach.can_fail(name) } else { reach.answers(name) } {
                continue;
            }
            let near = suggest::nearest(name, reach.names());
            let remedy =
                near.map_or_else(|| format!("one of {}", suggest::listed(reach.groups())), str::to_owned);
            let what = format!("no model_name is `{name}`{}", suggest::question(near));
            match fails {
                true => cx.report.warn(*place, path, what, remedy),
                false => cx.report.error(*place, path, what, remedy),
            }
        }
    }
}
