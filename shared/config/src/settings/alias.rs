//! `model_group_alias`: other names for model groups.

use std::collections::HashMap;

use bulkhead_model::rows::AliasRow;

use crate::field::{Cx, Field};
use crate::problem::Place;
use crate::reach::Reach;
use crate::suggest;

/// The aliases as declared.
#[derive(Default)]
pub(crate) struct Aliases {
    list: Vec<Alias>,
}

struct Alias {
    row: AliasRow,
    place: Place,
    path: String,
}

const EXAMPLE: &str = "{gpt-4: gpt-4o}";

pub(super) fn read(field: &Field<'_>, cx: &mut Cx<'_>) -> Aliases {
    let mut list = Vec::new();
    let Some(fields) = field.fields(cx, EXAMPLE) else { return Aliases::default() };
    for field in fields.each() {
        if let Some((group, hidden)) = target(&field, cx) {
            let row = AliasRow { name: field.name().to_owned(), group, hidden };
            list.push(Alias { row, place: field.place, path: field.path.clone() });
        }
    }
    Aliases { list }
}

/// The name of a group, or `{model, hidden}`.
fn target(field: &Field<'_>, cx: &mut Cx<'_>) -> Option<(String, bool)> {
    if !matches!(field.node.value, crate::yaml::Value::Map(_)) {
        return field.text(cx, "gpt-4o").map(|group| (group, false));
    }
    let fields = field.fields(cx, "{model: gpt-4o, hidden: true}")?;
    for other in fields.each().filter(|field| !matches!(field.name(), "model" | "hidden")) {
        let what = format!("an alias has no key `{}`", other.name());
        other.error(cx, what, "{model: gpt-4o, hidden: true}");
    }
    let hidden = fields.get("hidden").and_then(|field| field.boolean(cx)).unwrap_or(false);
    let group = fields.required("model", "gpt-4o", cx)?.text(cx, "gpt-4o")?;
    Some((group, hidden))
}

impl Aliases {
    /// The names that clients use.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|alias| alias.row.name.as_str())
    }
}

/// Checks that every alias leads to a group, and gives each the group at the end of its chain.
pub(crate) fn check(aliases: Aliases, reach: &Reach, cx: &mut Cx<'_>) -> Vec<AliasRow> {
    let targets: HashMap<String, String> =
        aliases.list.iter().map(|alias| (alias.row.name.clone(), alias.row.group.clone())).collect();
    let mut rows = Vec::new();
    for Alias { row, place, path } in aliases.list {
        let Some(group) = follow(&row, &targets) else {
            let what = format!("the alias `{}` leads back to itself", row.name);
            cx.report.error(place, &path, what, format!("{}: the name of a model group", row.name));
            continue;
        };
        if !reach.serves(group) {
            let near = suggest::question(suggest::nearest(group, reach.groups()));
            let what = format!("no model_name is `{group}`{near}");
            cx.report.error(
                place,
                &path,
                what,
                format!("{}: one of {}", row.name, suggest::listed(reach.groups())),
            );
        } else if reach.is_group(&row.name) {
            let what =
                format!("the alias hides the model group `{}`, which clients no longer reach", row.name);
            cx.report.warn(place, &path, what, "an alias that is no model_name");
        }
        rows.push(AliasRow { group: group.to_owned(), ..row });
    }
    rows
}

fn follow<'t>(alias: &'t AliasRow, targets: &'t HashMap<String, String>) -> Option<&'t str> {
    let mut group = alias.group.as_str();
    // A chain longer than there are aliases goes round.
    for _ in 0..targets.len() {
        if group == alias.name {
            return None;
        }
        match targets.get(group) {
            Some(next) => group = next,
            None => return Some(group),
        }
    }
    None
}
