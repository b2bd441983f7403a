//! `bulkhead_settings.accept_unenforced`: the restrictions that the operator knows to be without effect.

use crate::field::{Cx, Field};
use crate::problem::{Place, Report};
use crate::suggest;
use crate::table::{self, Section};

/// The names that were accepted, each with whether something needed it.
#[derive(Default)]
pub(crate) struct Accept {
    names: Vec<Accepted>,
}

struct Accepted {
    /// `max_budget`, or `litellm_settings.max_budget` for that section only.
    name: String,
    place: Place,
    path: String,
    used: bool,
}

impl Accept {
    /// True when the key may be there without being enforced.
    pub(crate) fn allows(&mut self, section: Section, key: &str) -> bool {
        let mut allowed = false;
        for accepted in &mut self.names {
            let meant = match accepted.name.split_once('.') {
                Some((named, name)) => named == section.name() && name == key,
                None => accepted.name == key,
            };
            accepted.used |= meant;
            allowed |= meant;
        }
        allowed
    }

    /// A name that nothing needs is a mistake: the restriction it was meant for may be misspelt too.
    pub(crate) fn report_unused(&self, report: &mut Report) {
        for accepted in self.names.iter().filter(|accepted| !accepted.used) {
            let what = format!("nothing in the file sets `{}`, so there is nothing to accept", accepted.name);
            report.error(accepted.place, &accepted.path, what, "the list without this name");
        }
    }
}

/// Reads the list into `cx.accept`.
pub(crate) fn read(list: &Field<'_>, cx: &mut Cx<'_>) {
    for item in list.items(cx, "[max_budget]").unwrap_or_default() {
        let Some(name) = item.text(cx, "max_budget") else { continue };
        let (section, key) = match name.split_once('.') {
            Some((section, key)) => (Some(section), key),
            None => (None, name.as_str()),
        };
        if table::restricts(section, key) {
            let Field { place, path, .. } = item;
            cx.accept.names.push(Accepted { name, place, path, used: false });
            continue;
        }
        let remedy = "a name from an error about a restriction, or the list without this name";
        if table::enforces(section, key) {
            item.error(
                cx,
                format!("`{name}` is enforced by this version, so there is nothing to accept"),
                remedy,
            );
            continue;
        }
        let near = suggest::question(suggest::nearest(key, table::restricting_names()));
        item.error(cx, format!("`{name}` is no restriction that could be accepted{near}"), remedy);
    }
}
