//! `/fallback` and `/router/override`: where requests go on when a model group fails.

mod fallbacks;
mod overrides;

use bulkhead_model::rows::SettingsRow;
use bulkhead_snapshot::Pattern;
use sqlx::PgConnection;

use super::call::Call;
use super::refusal::Refusal;
use super::route::Route;
use crate::domain::body::did_you_mean;
use crate::store::settings::{self, Declared};
use crate::store::{Change, models};

use fallbacks::FallbackNew;
use overrides::OverrideNew;

/// Any group that has no chain of its own.
const ANY: &str = "*";

pub(super) fn routes() -> Vec<Route> {
    let kind = &[("fallback_type", "string")];
    let group = &[("group", "string")];
    vec![
        Route::post::<FallbackNew, _>("/fallback", "Say where a model's requests go on.", fallbacks::set),
        Route::get("/fallback/{model}", "Where a model's requests go on.", fallbacks::get).query(kind),
        Route::delete("/fallback/{model}", "Take a model's fallbacks away.", fallbacks::delete).query(kind),
        Route::post::<OverrideNew, _>(
            "/router/override",
            "Put other fallbacks in the place of the declared ones, for a while.",
            overrides::set,
        ),
        Route::get("/router/override", "The overrides in force.", overrides::list),
        Route::delete("/router/override", "End an override.", overrides::delete).query(group),
    ]
}

/// The settings, with nobody else changing them.
async fn to_change(change: &mut Change) -> Result<Declared, Refusal> {
    settings::locked(change.connection()).await?.ok_or_else(unreadable)
}

async fn read(call: &Call) -> Result<Declared, Refusal> {
    let mut transaction = call.begin().await?;
    settings::read(&mut transaction).await?.ok_or_else(unreadable)
}

/// Defaults in their place would undo what another release has stored.
fn unreadable() -> Refusal {
    Refusal::bad("The settings in the database are none that this release understands.")
}

/// Names that requests can ask for.
struct Served {
    groups: Vec<String>,
    aliases: Vec<String>,
}

impl Served {
    async fn read(connection: &mut PgConnection, settings: &SettingsRow) -> Result<Self, Refusal> {
        let aliases = settings.aliases.iter().map(|alias| alias.name.clone()).collect();
        Ok(Self { groups: models::groups(connection).await?, aliases })
    }

    /// Refuses a name that no deployment serves.
    fn check(&self, field: &str, name: &str) -> Result<(), Refusal> {
        let is_served = self.aliases.iter().any(|alias| alias == name)
            || self.groups.iter().any(|group| fits(group, name));
        if is_served {
            return Ok(());
        }
        let near = did_you_mean(name, self.groups.iter().chain(&self.aliases).map(String::as_str));
        Err(Refusal::bad(format!("Model '{name}' not found in router{near}")).param(field))
    }
}

fn fits(group: &str, name: &str) -> bool {
    if Pattern::is_wildcard(group) { Pattern::new(group).matches(name) } else { group == name }
}
