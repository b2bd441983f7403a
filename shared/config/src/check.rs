//! Holds the keys of a section against the table.

use crate::field::{Cx, Field, Fields};
use crate::suggest;
use crate::table::{self, Class, Items, Section};

const NOTHING: &str = "nothing; the key may stay for LiteLLM";

/// Checks every key of a section but those that `own` takes.
pub(crate) fn names(
    fields: &Fields<'_>,
    section: Section,
    cx: &mut Cx<'_>,
    own: impl Fn(&Field<'_>, &mut Cx<'_>),
) {
    for field in fields.each().map(|field| field.at_key()) {
        match section.class(field.name()) {
            Some(class) => classed(&field, section, class, cx),
            None => own(&field, cx),
        }
    }
}

/// Checks every key of a section in which unknown ones are mistakes.
pub(crate) fn strict(fields: &Fields<'_>, section: Section, cx: &mut Cx<'_>) {
    names(fields, section, cx, |field, cx| unknown(field, section, cx));
}

/// Reports a key that the section does not have.
pub(crate) fn unknown(field: &Field<'_>, section: Section, cx: &mut Cx<'_>) {
    let known: Vec<&str> =
        section.names().map(|(name, _)| name).filter(|name| !name.ends_with('*')).collect();
    let near = suggest::nearest(field.name(), known.iter().copied());
    let place = match section {
        Section::Top => "the file".to_owned(),
        section => format!("`{}`", section.name()),
    };
    let elsewhere = Section::ALL.into_iter().filter(|other| *other != section);
    let elsewhere = elsewhere.filter(|other| other.names().any(|(name, _)| name == field.name()));
    let elsewhere: Vec<_> = elsewhere.map(Section::name).filter(|name| !name.is_empty()).collect();
    let remedy = match (near, elsewhere.first()) {
        (Some(near), _) => format!("{near}: …"),
        (None, Some(other)) => format!("the key under `{other}`, where it is known"),
        (None, None) => "the section without this key".to_owned(),
    };
    let what = format!("{place} has no key `{}`{}", field.name(), suggest::question(near));
    field.error(cx, what, remedy);
}

fn classed(field: &Field<'_>, section: Section, class: Class, cx: &mut Cx<'_>) {
    match class {
        Class::Honoured | Class::Silent => {}
        _ if field.node.is_unset() => {}
        Class::Harmless(not_done) => harmless(field, section, not_done, cx),
        Class::Restricting(unenforced) => restriction(field, section, field.name(), unenforced, cx),
        Class::Items(items) => each_item(field, section, items, cx),
    }
}

fn harmless(field: &Field<'_>, section: Section, not_done: &str, cx: &mut Cx<'_>) {
    let topic = format!("{}.{}", section.name(), field.name());
    cx.report.warn_once(topic, field.place, &field.path, not_done, NOTHING);
}

fn each_item(field: &Field<'_>, section: Section, items: &Items, cx: &mut Cx<'_>) {
    let texts = field.plain_texts();
    match texts.iter().find(|item| items.restricts(item)) {
        Some(item) => restriction(field, section, item, items.unenforced, cx),
        None if !texts.is_empty() && texts.iter().all(|item| items.honours(item)) => {}
        None => harmless(field, section, items.harmless, cx),
    }
}

/// An error, or a warning where it is accepted.
pub(crate) fn restriction(
    field: &Field<'_>,
    section: Section,
    item: &str,
    unenforced: &str,
    cx: &mut Cx<'_>,
) {
    let key = field.name();
    let named = if item == key { format!("`{key}`") } else { format!("`{key}` with `{item}`") };
    let what = format!("{named} restricts, and is not enforced by this version: {unenforced}");
    if cx.accept.allows(section, key) {
        let topic = format!("{}.{key}", section.name());
        cx.report.warn_once(topic, field.place, &field.path, &what, "nothing; accept_unenforced names it");
        return;
    }
    let remedy =
        format!("`accept_unenforced: [{key}]` under bulkhead_settings to run without it; or remove the key");
    field.error(cx, what, remedy);
}

/// Reports restricting names inside a free-form mapping, where LiteLLM honours them too.
pub(crate) fn hidden_restrictions(fields: &Fields<'_>, section: Section, cx: &mut Cx<'_>) {
    for field in fields.each().map(|field| field.at_key()).filter(|field| !field.node.is_unset()) {
        if let Some(Class::Restricting(unenforced)) = section.class(field.name()) {
            restriction(&field, section, field.name(), unenforced, cx);
        }
    }
}

/// True for a name that some key of the section or a common call parameter is only a slip away from.
pub(crate) fn slip_of(name: &str, section: Section) -> Option<&'static str> {
    if table::CALL_PARAMETERS.contains(&name) {
        return None;
    }
    let known = section.names().filter(|(name, class)| *class == Class::Honoured && !name.ends_with('*'));
    suggest::nearest(name, known.map(|(name, _)| name).chain(table::CALL_PARAMETERS.iter().copied()))
}
