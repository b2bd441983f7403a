//! The sections that hold for the whole gateway.

mod alias;
mod betas;
mod bulkhead;
mod fallbacks;
mod general;
mod litellm;
mod master_key;
mod retries;
mod router;

pub(crate) use alias::check as check_aliases;
pub(crate) use bulkhead::accept_unenforced;
pub(crate) use fallbacks::{Mentions, chains};
pub use master_key::weakness as master_key_weakness;
pub(crate) use retries::tries;

use bulkhead_model::rows::SettingsRow;
use bulkhead_model::{KeyHash, Secret};

use crate::field::{Cx, Fields};

/// What the settings sections declare.
pub(crate) struct Settings {
    pub(crate) row: SettingsRow,
    pub(crate) aliases: alias::Aliases,
    pub(crate) mentions: Mentions,
    pub(crate) master_key: Option<Secret>,
}

/// Reads the settings sections of the file. Where the file is not complete, a missing master key may be in the part
/// that could not be read.
pub(crate) fn read(root: &Fields<'_>, complete: bool, cx: &mut Cx<'_>) -> Settings {
    let mut row = SettingsRow::default();
    let mut mentions = Mentions::default();
    if let Some(section) = section(root, "litellm_settings", cx) {
        litellm::read(&section, &mut row, &mut mentions, cx);
    }
    let mut aliases = alias::Aliases::default();
    if let Some(section) = section(root, "router_settings", cx) {
        aliases = router::read(&section, &mut row, &mut mentions, cx);
    }
    let general = section(root, "general_settings", cx);
    if let Some(section) = &general {
        general::read(section, &mut row, cx);
    }
    let mut master_key = None;
    if complete || general.as_ref().is_some_and(|general| general.declared("master_key").is_some()) {
        master_key = master_key::read(root, general.as_ref(), cx);
        row.master_key = master_key.as_ref().map(|key| KeyHash::of(key.expose()));
    }
    if let Some(section) = section(root, "bulkhead_settings", cx) {
        bulkhead::read(&section, &mut row, cx);
    }
    bulkhead::check_memory(root, &row, cx);
    Settings { row, aliases, mentions, master_key }
}

fn section<'n>(root: &Fields<'n>, name: &str, cx: &mut Cx<'_>) -> Option<Fields<'n>> {
    root.get(name).and_then(|field| field.fields(cx, "a mapping of settings"))
}
