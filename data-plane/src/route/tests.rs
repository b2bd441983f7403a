//! Models by who may use them: the key, its team and its user all have to allow a model.

use bulkhead_model::ErrorKind;

use super::resolve;
use crate::identify::fixture::Managed;

/// The group that a name leads to, or why it does not.
fn led(managed: &Managed, name: &str) -> Result<String, ErrorKind> {
    let (snapshot, caller) = (managed.snapshot(), managed.caller());
    let resolved = resolve(&snapshot, &caller, caller.meaning(name)).map_err(|fault| fault.kind)?;
    Ok(resolved.group.name.to_string())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn alias(from: &str, to: &str) -> Vec<(String, String)> {
    vec![(from.to_owned(), to.to_owned())]
}

#[test]
fn every_layer_has_to_allow_a_model_and_says_which_it_is() {
    let mut managed = Managed::in_team();
    assert_eq!(led(&managed, "gpt-4o"), Ok("gpt-4o".to_owned()));
    managed.users[0].models = names(&["gpt-4o-mini"]);
    assert_eq!(led(&managed, "gpt-4o"), Err(ErrorKind::UserModelDenied));
    managed.teams[0].models = names(&["gpt-4o-mini"]);
    assert_eq!(led(&managed, "gpt-4o"), Err(ErrorKind::TeamModelDenied));
    managed.key.models = names(&["gpt-4o-mini"]);
    assert_eq!(led(&managed, "gpt-4o"), Err(ErrorKind::ModelDenied));
    assert_eq!(led(&managed, "gpt-4o-mini"), Ok("gpt-4o-mini".to_owned()));
    for (kind, name) in [
        (ErrorKind::ModelDenied, "key_model_access_denied"),
        (ErrorKind::TeamModelDenied, "team_model_access_denied"),
        (ErrorKind::UserModelDenied, "user_model_access_denied"),
    ] {
        assert_eq!((kind.openai_type(), kind.status()), (name, 403));
    }
}

#[test]
fn whoever_may_not_use_everything_cannot_probe_for_names() {
    let mut managed = Managed::in_team();
    assert_eq!(led(&managed, "nothing"), Err(ErrorKind::UnknownModel));
    managed.teams[0].models = names(&["gpt-4o"]);
    assert_eq!(led(&managed, "nothing"), Err(ErrorKind::TeamModelDenied));
}

#[test]
fn a_key_may_inherit_the_models_of_its_team() {
    let mut managed = Managed::in_team();
    managed.key.models = names(&["all-team-models"]);
    managed.teams[0].models = names(&["gpt-4o"]);
    assert!(led(&managed, "gpt-4o").is_ok());
    assert_eq!(led(&managed, "gpt-4o-mini"), Err(ErrorKind::TeamModelDenied));
}

#[test]
fn a_user_without_models_of_its_own_has_those_of_its_teams() {
    let mut managed = Managed::in_team();
    managed.users[0].models = names(&["no-default-models"]);
    assert!(led(&managed, "gpt-4o").is_ok());
    managed.key.team_id = None;
    assert_eq!(led(&managed, "gpt-4o"), Err(ErrorKind::UserModelDenied));
}

#[test]
fn the_keys_aliases_go_before_the_teams() {
    let mut managed = Managed::in_team();
    managed.teams[0].aliases = alias("fast", "gpt-4o");
    assert_eq!(led(&managed, "fast"), Ok("gpt-4o".to_owned()));
    managed.key.aliases = alias("fast", "gpt-4o-mini");
    assert_eq!(led(&managed, "fast"), Ok("gpt-4o-mini".to_owned()));
    managed.key.aliases = alias("mine", "fast");
    assert_eq!(led(&managed, "mine"), Ok("gpt-4o".to_owned()), "the team decides what its names mean");
}

#[test]
fn a_list_may_hold_a_teams_name_for_a_model_or_the_models_own() {
    let mut managed = Managed::in_team();
    managed.teams[0].aliases = alias("fast", "gpt-4o");
    for listed in ["fast", "gpt-4o"] {
        managed.key.models = names(&[listed]);
        managed.teams[0].models = names(&[listed]);
        assert!(led(&managed, "fast").is_ok(), "{listed}");
    }
    managed.key.models = names(&["gpt-4o-mini"]);
    assert_eq!(led(&managed, "fast"), Err(ErrorKind::ModelDenied));
}
