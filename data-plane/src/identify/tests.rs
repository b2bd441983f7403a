//! Who is let in, by everything that a snapshot of a control plane says about a key.

use bulkhead_model::rows::{BudgetRow, Limits};
use bulkhead_model::{ErrorKind, KeyHash, NanoUsd, virtual_key};

use super::fixture::{Managed, SECRET, now};
use crate::fault::Fault;

/// What a caller hears: kind, status and message.
fn refusal(managed: &Managed) -> (ErrorKind, u16, String) {
    told(&managed.identify(SECRET).unwrap_err())
}

fn told(fault: &Fault) -> (ErrorKind, u16, String) {
    let body = fault.body();
    let body = body.as_error_body();
    (fault.kind, body.status, body.message.to_owned())
}

#[test]
fn a_caller_is_the_key_with_its_team_its_user_and_its_membership() {
    let managed = Managed::in_team();
    let caller = managed.caller();
    let of = caller.principals().unwrap();
    assert_eq!(of.key.id(), "k1");
    assert_eq!(of.team.as_ref().unwrap().row.id, "t1");
    assert_eq!(of.user.as_ref().unwrap().row.id, "u1");
    assert_eq!(of.member.as_ref().unwrap().row.team, "t1");

    let alone = Managed::new().caller();
    let of = alone.principals().unwrap();
    assert!(of.team.is_none() && of.user.is_none() && of.member.is_none());
}

#[test]
fn a_user_that_was_never_declared_is_a_label() {
    let mut managed = Managed::new();
    managed.key.user_id = Some("somebody".into());
    assert!(managed.caller().principals().unwrap().user.is_none());
}

#[test]
fn a_user_that_is_no_declared_member_is_limited_as_members_are() {
    let mut managed = Managed::in_team();
    managed.members.clear();
    assert!(managed.caller().principals().unwrap().member.is_none(), "nothing to limit");
    managed.teams[0].member_limits = Limits { rpm: Some(3), ..Limits::default() };
    let caller = managed.caller();
    let of = caller.principals().unwrap();
    let member = of.member.as_ref().unwrap();
    assert_eq!(member.limits(of.team.as_ref().unwrap()).rpm, Some(3));
    assert_eq!(&*member.ledger_id, "member:t1\u{1f}u1");

    managed.teams[0].member_limits = Limits::default();
    managed.teams[0].member_budget = Some(BudgetRow { max: NanoUsd(1), window: None });
    assert!(managed.caller().principals().unwrap().member.is_some());
}

#[test]
fn a_team_that_is_not_there_yet_is_the_nodes_trouble_and_not_the_callers() {
    let mut managed = Managed::in_team();
    managed.teams.clear();
    let fault = managed.identify(SECRET).unwrap_err();
    assert_eq!(told(&fault).0, ErrorKind::TeamNotReady);
    let response = fault.into_response(bulkhead_model::Dialect::OpenAi);
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(refusal(&managed).2.contains("team `t1` of this key is not known to this node yet"));
}

#[test]
fn whatever_is_blocked_blocks_its_keys() {
    let mut key = Managed::in_team();
    key.key.blocked = true;
    let mut team = Managed::in_team();
    team.teams[0].blocked = true;
    let mut user = Managed::in_team();
    user.users[0].blocked = true;
    for (managed, message) in [
        (key, "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin."),
        (team, "Authentication Error, Team=t1 is blocked. Update via `/team/unblock` if you're an admin."),
        (user, "Authentication Error, User=u1 is blocked."),
    ] {
        assert_eq!(refusal(&managed), (ErrorKind::Blocked, 401, message.to_owned()));
    }
}

#[test]
fn a_restriction_that_this_release_does_not_know_denies_wherever_it_is() {
    let require = || vec!["moon_phase".to_owned()];
    let mut key = Managed::in_team();
    key.key.requires = require();
    let mut team = Managed::in_team();
    team.teams[0].requires = require();
    let mut user = Managed::in_team();
    user.users[0].requires = require();
    let mut member = Managed::in_team();
    member.members[0].requires = require();
    for (managed, what) in
        [(key, "key `sk-...6789`"), (team, "team `t1`"), (user, "user `u1`"), (member, "team member `u1`")]
    {
        let (kind, status, message) = refusal(&managed);
        assert_eq!((kind, status), (ErrorKind::UnknownRestriction, 403));
        for part in [what, "moon_phase", "Upgrade this node"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn checks_come_in_litellms_order() {
    let mut managed = Managed::in_team();
    managed.key.expires = Some(now());
    managed.teams[0].blocked = true;
    let expired = managed.identify(SECRET).unwrap_err();
    assert_eq!(expired.kind, ErrorKind::ExpiredKey);
    assert!(told(&expired).2.starts_with("Authentication Error - Expired Key. Key Expiry time"));
    managed.users[0].blocked = true;
    assert!(refusal(&managed).2.contains("User=u1"));
    managed.users[0].requires = vec!["x".to_owned()];
    assert_eq!(refusal(&managed).0, ErrorKind::UnknownRestriction);
    managed.teams.clear();
    assert_eq!(refusal(&managed).0, ErrorKind::TeamNotReady);
    managed.key.requires = vec!["y".to_owned()];
    assert_eq!(refusal(&managed).0, ErrorKind::UnknownRestriction);
    managed.key.blocked = true;
    assert!(refusal(&managed).2.contains("Key is blocked"));
}

#[test]
fn a_key_with_a_wrong_checksum_is_refused_before_any_look_up_in_the_words_for_an_unknown_one() {
    let key = virtual_key::generate(&[7; virtual_key::RANDOM_BYTES]);
    let key = key.expose();
    let mut managed = Managed::new();
    assert_eq!(told(&managed.identify(key).unwrap_err()).0, ErrorKind::UnknownKey);
    managed.key.hash = KeyHash::of(key);
    assert!(managed.identify(key).is_ok());

    let mut wrong = key.to_owned();
    let last = wrong.pop();
    wrong.push(if last == Some('0') { '1' } else { '0' });
    // Not even one that somebody stored gets in: nothing was looked up.
    managed.key.hash = KeyHash::of(&wrong);
    let (kind, status, message) = told(&managed.identify(&wrong).unwrap_err());
    assert_eq!((kind, status), (ErrorKind::BadChecksum, 401));
    assert_eq!(kind.openai_type(), ErrorKind::UnknownKey.openai_type());
    managed.key.hash = KeyHash::of(SECRET);
    let unknown = told(&managed.identify("sk-nobody-0123456789").unwrap_err()).2;
    let start = "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...";
    assert!(message.starts_with(start) && unknown.starts_with(start), "{message}");
}
