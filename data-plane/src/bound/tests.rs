use std::sync::Arc;

use bulkhead_dialect::bound::Bound;
use bulkhead_dialect::json::Segments;
use bulkhead_model::rows::{KeyRow, SettingsRow};
use bulkhead_model::{ErrorKind, KeyHash};
use bulkhead_sealed::TextKey;
use bulkhead_snapshot::Snapshot;
use bytes::Bytes;

use super::bond::{Bond, Named, named};
use super::items::{find_items, opened};
use super::owner::Owner;
use crate::identify::Caller;
use crate::identify::fixture::Managed;

const DEPLOYMENT: &str = "id-gpt-4o";

fn caller(team: Option<&str>, user: Option<&str>, id: &str) -> Caller {
    let mut managed = Managed::new();
    managed.key = KeyRow { id: id.into(), user_id: user.map(Into::into), ..managed.key };
    if let Some(team) = team {
        managed.key.team_id = Some(team.into());
        managed.teams.push(bulkhead_model::rows::TeamRow { id: team.into(), ..Default::default() });
    }
    managed.caller()
}

fn bond(caller: &Caller, said: &str) -> Bond {
    Bond { deployment: DEPLOYMENT.into(), owner: Owner::of(caller), said: said.into() }
}

fn snapshot(change: impl FnOnce(&mut SettingsRow)) -> Arc<Snapshot> {
    let mut managed = Managed::new();
    managed.settings.master_key = Some(KeyHash::of("sk-master"));
    change(&mut managed.settings);
    managed.snapshot()
}

#[test]
fn a_bond_is_opened_as_it_was_sealed_and_only_for_its_purpose() {
    let key = TextKey::new(b"k").unwrap();
    for caller in [Caller::Master, caller(None, None, "k1"), caller(Some("t"), Some("u"), "k1")] {
        for said in ["resp_1", "", "é \"quoted\""] {
            let bond = bond(&caller, said);
            for (bound, other) in [(Bound::ResponseId, Bound::Content), (Bound::Content, Bound::ResponseId)] {
                let text = bond.seal(bound, &key).unwrap();
                assert_eq!(Bond::open(bound, &text, &key).as_ref(), Some(&bond));
                assert_eq!(Bond::open(other, &text, &key), None);
                assert_eq!(Bond::open(bound, &text, &TextKey::new(b"l").unwrap()), None);
                for cut in 0..text.len() {
                    assert_eq!(Bond::open(bound, text.get(..cut).unwrap(), &key), None);
                }
            }
        }
    }
}

#[test]
fn an_owner_is_the_user_and_the_team_or_the_key_alone() {
    let (alone, other) = (caller(None, None, "k1"), caller(None, None, "k2"));
    let (user, same_user) = (caller(None, Some("u"), "k1"), caller(None, Some("u"), "k2"));
    let (team, member) = (caller(Some("t"), None, "k1"), caller(Some("t"), Some("u"), "k2"));
    let (neighbour, elsewhere) = (caller(Some("t"), Some("v"), "k1"), caller(Some("s"), Some("u"), "k1"));
    for (owner, caller, admits) in [
        (&alone, &alone, true),
        (&alone, &other, false),
        (&alone, &user, true),
        (&user, &same_user, true),
        (&user, &member, true),
        (&user, &alone, false),
        (&user, &neighbour, false),
        (&team, &member, true),
        (&team, &neighbour, true),
        (&team, &elsewhere, false),
        (&member, &member, true),
        (&member, &neighbour, false),
        (&member, &elsewhere, false),
        (&member, &team, false),
        (&Caller::Master, &alone, false),
        (&Caller::Master, &member, false),
        (&Caller::Master, &Caller::Master, true),
        (&member, &Caller::Master, true),
    ] {
        assert_eq!(Owner::of(owner).admits(caller), admits, "{owner:?} {caller:?}");
    }
}

#[test]
fn ids_that_are_not_ours_mean_something_only_where_the_operator_says_so() {
    let (ours, other) = (caller(None, None, "k1"), caller(None, None, "k2"));
    let (strict, open) = (snapshot(|_| {}), snapshot(|row| row.unmanaged_response_ids = true));
    let shared = snapshot(|row| row.shared_response_ids = true);
    let sealed = bond(&ours, "resp_1").seal(Bound::ResponseId, &strict.settings.text_key).unwrap();
    for (snapshot, caller, id, expected) in [
        (&strict, &ours, &*sealed, "sealed"),
        (&strict, &other, &sealed, "none"),
        (&strict, &Caller::Master, &sealed, "sealed"),
        (&strict, &ours, "resp_1", "none"),
        (&strict, &Caller::Master, "resp_1", "unmanaged"),
        (&open, &other, &sealed, "none"),
        (&open, &other, "resp_1", "unmanaged"),
        (&shared, &other, &sealed, "sealed"),
        (&shared, &other, "resp_1", "unmanaged"),
    ] {
        let found = match named(&snapshot.settings, caller, id) {
            None => "none",
            Some(Named::Unmanaged) => "unmanaged",
            Some(Named::Sealed(bond)) => {
                assert_eq!(bond.said, "resp_1");
                "sealed"
            }
        };
        assert_eq!(found, expected, "{caller:?} {id}");
    }
}

/// The body after its contents were opened for a deployment, in chunks of so many bytes.
fn after(
    snapshot: &Snapshot,
    caller: &Caller,
    body: &str,
    chunk: usize,
    to: &str,
) -> Result<String, ErrorKind> {
    let mut segments = Segments::default();
    body.as_bytes().chunks(chunk).for_each(|part| segments.push(Bytes::copy_from_slice(part)));
    let input = body.find('[').unwrap()..body.rfind(']').unwrap() + 1;
    let items = find_items(snapshot, caller, &segments, input).map_err(|fault| fault.kind)?;
    let (_, to) = snapshot.models.deployment(to).unwrap();
    let (mut out, mut at) = (String::new(), 0);
    for (range, json) in opened(&items, to, true).0 {
        out.push_str(body.get(at..range.start).unwrap());
        out.push_str(std::str::from_utf8(&json).unwrap());
        at = range.end;
    }
    out.push_str(body.get(at..).unwrap());
    Ok(out)
}

#[test]
fn contents_are_opened_and_items_of_others_are_taken_out_with_their_commas() {
    let (ours, other) = (caller(None, None, "k1"), caller(None, None, "k2"));
    let snapshot = snapshot(|_| {});
    let key = &snapshot.settings.text_key;
    let here = bond(&ours, "gA/==").seal(Bound::Content, key).unwrap();
    let gone = Bond { deployment: "gone".into(), ..bond(&ours, "x") }.seal(Bound::Content, key).unwrap();
    let item = |content: &str| format!(r#"{{"type":"reasoning", "encrypted_content" : "{content}"}}"#);
    let (a, g, raw) = (item(&here), item(&gone), item("gB=="));
    let opened = item("gA/==");
    for (input, expected) in [
        (format!("[ {a} , 1,{raw} ]"), format!("[ {opened} , 1,{raw} ]")),
        (format!("[{g}]"), "[]".to_owned()),
        (format!("[ {g} , {a}]"), format!("[ {opened}]")),
        (format!("[{a} , {g}]"), format!("[{opened}]")),
        (format!("[{g},{g} ,{a} , {g}, 2 ]"), format!("[{opened}, 2 ]")),
        (format!("[1,{g},{g}]"), "[1]".to_owned()),
        (format!("[{g},{g}]"), "[]".to_owned()),
        (format!("[{raw}]"), format!("[{raw}]")),
    ] {
        let body = format!(r#"{{"input":{input} }}"#);
        for chunk in [7, 1 << 20] {
            // Both deployments are on one account.
            for to in [DEPLOYMENT, "id-gpt-4o-mini"] {
                let after = after(&snapshot, &ours, &body, chunk, to).unwrap();
                assert_eq!(after, format!(r#"{{"input":{expected} }}"#), "{input}");
            }
        }
    }
    let body = format!(r#"{{"input":[{a}]}}"#);
    assert_eq!(after(&snapshot, &other, &body, 7, DEPLOYMENT), Err(ErrorKind::BadRequest));
    let forged = body.replace("bulkhead-sealed.", "bulkhead-sealed.A");
    assert_eq!(after(&snapshot, &ours, &forged, 7, DEPLOYMENT), Err(ErrorKind::BadRequest));
}
