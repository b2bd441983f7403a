//! Full syncs and deltas: what is applied, refused, rejected and kept.

use std::sync::Arc;

use super::support::*;
use crate::wire::{Id, Row, encode};
use crate::{Full, Version};

fn refusal(result: Result<(), crate::Refused>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_full_sync_is_in_force_and_named_by_its_version() {
    let catalog = started(&[settings(), deployment("d", |_| {}), team("t"), key(1, |_| {})]);
    assert_eq!(catalog.version(), Some(&version(1)));
    let snapshot = catalog.snapshot().unwrap();
    assert_eq!((snapshot.revision, snapshot.managed, snapshot.keys.len()), (1, true, 1));
    assert_eq!((in_use(&catalog), rejected(&catalog)), (vec!["d@api.openai.com".into()], vec![]));
    assert_eq!(catalog.rows().count(), 4);
}

#[test]
fn a_delta_changes_what_it_names_and_shares_the_rest() {
    let mut catalog = started(&[settings(), deployment("d", |_| {}), key(1, |_| {}), key(2, |_| {})]);
    let before = catalog.snapshot().unwrap().clone();
    next(&mut catalog, items(&[key(1, |key| key.blocked = true)]), &[Id::Key(hash(2))]);
    assert_eq!((fate(&catalog, 1), fate(&catalog, 2)), (Fate::Blocked, Fate::Unknown));
    let after = catalog.snapshot().unwrap();
    assert!(Arc::ptr_eq(&before.models, &after.models));
    assert!(!before.keys.get(&hash(1)).unwrap().is_blocked(), "a request keeps what it began with");
    assert_eq!(catalog.version(), Some(&version(2)));
}

#[test]
fn a_delta_only_follows_what_is_in_force() {
    let mut catalog = started(&[settings()]);
    let put = || items(&[key(1, |_| {})]);
    let other_hash = Version { hash: [0; 32], ..version(1) };
    let other_epoch = Version { epoch: 2, ..version(2) };
    let other_cluster = Version { cluster: [9; 16], ..version(2) };
    for (from, to) in [
        (version(0), version(2)),
        (version(2), version(3)),
        (other_hash, version(2)),
        (version(1), version(1)),
        (version(1), version(0)),
        (version(1), other_epoch),
        (version(1), other_cluster),
    ] {
        catalog.delta(change(from, to, put(), &[])).unwrap_err();
        assert_eq!((catalog.version(), fate(&catalog, 1)), (Some(&version(1)), Fate::Unknown));
    }
    let mut delta = change(version(1), version(2), put(), &[]);
    delta.from = None;
    assert!(refusal(catalog.delta(delta)).contains("not whole"));
    // A batch may be several changes at once.
    catalog.delta(change(version(1), version(5), put(), &[])).unwrap();
    assert_eq!(fate(&catalog, 1), Fate::Served);
}

#[test]
fn there_is_no_delta_to_nothing() {
    let mut catalog = catalog();
    catalog.delta(change(version(1), version(2), items(&[settings()]), &[])).unwrap_err();
    assert!(catalog.snapshot().is_none());
}

#[test]
fn a_digest_that_does_not_fit_refuses_the_delta() {
    let mut catalog = started(&[settings(), key(1, |_| {})]);
    let good = change(version(1), version(2), items(&[key(2, |_| {})]), &[Id::Key(hash(1))]);
    let mut changed = good.clone();
    changed.put.push(encode(&key(3, |_| {})));
    let mut kept = good.clone();
    kept.delete.clear();
    let mut short = good.clone();
    short.digest.truncate(31);
    for bad in [changed, kept, short] {
        assert!(refusal(catalog.delta(bad)).contains("digest"));
    }
    catalog.delta(good).unwrap();
}

#[test]
fn a_full_sync_of_another_cluster_an_older_one_and_one_of_a_parted_history_are_refused() {
    let mut catalog = started(&[settings()]);
    full(&mut catalog, 5, items(&[settings()])).unwrap();
    let mut try_version = |version| {
        let refused =
            catalog.full(Full { version, items: items(&[settings(), key(1, |_| {})]), forced: true });
        assert_eq!(fate(&catalog, 1), Fate::Unknown);
        refusal(refused)
    };
    assert!(try_version(Version { cluster: [9; 16], ..version(9) }).contains("another cluster"));
    assert!(try_version(version(4)).contains("older"));
    assert!(try_version(Version { epoch: 0, ..version(9) }).contains("older"));
    assert!(try_version(Version { hash: [0; 32], ..version(5) }).contains("parted"));
    // The same again is fine, and so is a new epoch that starts lower.
    full(&mut catalog, 5, items(&[settings()])).unwrap();
    let version = Version { epoch: 2, ..version(3) };
    catalog.full(Full { version, items: items(&[settings()]), forced: false }).unwrap();
    assert_eq!(catalog.version(), Some(&version));
}

#[test]
fn an_empty_full_sync_is_refused() {
    let rows = [settings(), deployment("d", |_| {}), key(1, |_| {})];
    let mut catalog = started(&rows);
    assert!(refusal(full(&mut catalog, 2, vec![])).contains("settings"));
    assert!(refusal(full(&mut catalog, 2, items(&rows[1..]))).contains("settings"));
    assert!(refusal(full(&mut catalog, 2, items(&rows[..1]))).contains("empty"));
    assert_eq!((fate(&catalog, 1), in_use(&catalog).len()), (Fate::Served, 1));
    let empty = Full { version: version(2), items: items(&rows[..1]), forced: true };
    catalog.full(empty).unwrap();
    assert_eq!(fate(&catalog, 1), Fate::Unknown);
    assert!(refusal(full(&mut super::support::catalog(), 1, vec![])).contains("settings"));
}

#[test]
fn a_full_sync_that_lost_half_is_refused_unless_it_is_forced() {
    let with = |keys: u64| -> Vec<Row> {
        std::iter::once(settings()).chain((0..keys).map(|n| key(n, |_| {}))).collect()
    };
    let mut catalog = started(&with(21));
    assert!(refusal(full(&mut catalog, 2, items(&with(10)))).contains("10 keys where there were 21"));
    assert_eq!(catalog.snapshot().unwrap().keys.len(), 21);
    full(&mut catalog, 2, items(&with(11))).unwrap();
    // Few are not guarded.
    full(&mut catalog, 3, items(&with(1))).unwrap();

    let mut catalog = started(&with(30));
    let forced = Full { version: version(2), items: items(&with(2)), forced: true };
    catalog.full(forced).unwrap();
    assert_eq!(catalog.snapshot().unwrap().keys.len(), 2);
}

#[test]
fn deletions_by_name_are_not_guarded() {
    let rows: Vec<_> = std::iter::once(settings()).chain((0..30).map(|n| key(n, |_| {}))).collect();
    let mut catalog = started(&rows);
    let all: Vec<_> = (0..30).map(|n| Id::Key(hash(n))).collect();
    next(&mut catalog, vec![], &all);
    assert!(catalog.snapshot().unwrap().keys.is_empty());
}

#[test]
fn a_bad_deployment_leaves_the_former_one_in_use_and_the_rest_applies() {
    let bad = |host: &str| deployment("d", |row| row.api_base = Some(host.into()));
    let mut by_delta = started(&[settings(), deployment("d", |_| {})]);
    next(&mut by_delta, items(&[bad("ftp://x"), key(1, |_| {})]), &[]);
    let mut by_full = started(&[settings(), deployment("d", |_| {})]);
    full(&mut by_full, 2, items(&[settings(), bad("ftp://x"), key(1, |_| {})])).unwrap();
    for mut catalog in [by_delta, by_full] {
        assert_eq!(in_use(&catalog), ["d@api.openai.com"]);
        assert_eq!(fate(&catalog, 1), Fate::Served);
        assert!(rejected(&catalog)[0].starts_with("deployment d: "), "{:?}", rejected(&catalog));
        next(&mut catalog, items(&[bad("ftp://y")]), &[]);
        assert_eq!(in_use(&catalog), ["d@api.openai.com"]);
        next(&mut catalog, items(&[bad("https://new.example")]), &[]);
        assert_eq!((in_use(&catalog), rejected(&catalog)), (vec!["d@new.example".into()], vec![]));
    }
}

#[test]
fn a_new_bad_deployment_stays_absent() {
    let bad = deployment("new", |row| row.provider = "nobody".into());
    let catalog = started(&[settings(), deployment("d", |_| {}), bad]);
    assert_eq!(in_use(&catalog), ["d@api.openai.com"]);
    assert_eq!(rejected(&catalog), ["deployment new: unknown provider `nobody`"]);
}

#[test]
fn a_deployment_that_is_not_understood_leaves_the_former_one_in_use() {
    let id = || Id::Deployment("d".into());
    let mut catalog = started(&[settings(), deployment("d", |_| {})]);
    next(&mut catalog, vec![garbage(id())], &[]);
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (1, 1));
    full(&mut catalog, 3, [items(&[settings()]), vec![garbage(id())]].concat()).unwrap();
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (1, 1));
    next(&mut catalog, vec![], &[id()]);
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (0, 0));
}

#[test]
fn a_block_holds_whatever_comes_after_it_and_is_not_understood() {
    let id = || Id::Deployment("d".into());
    let mut catalog = started(&[settings(), deployment("d", |_| {})]);
    let blocked = deployment("d", |row| {
        row.blocked = true;
        row.provider = "nobody".into();
    });
    next(&mut catalog, items(&[blocked]), &[]);
    assert!(in_use(&catalog).is_empty());
    next(&mut catalog, vec![garbage(id())], &[]);
    assert!(in_use(&catalog).is_empty());
    full(&mut catalog, 9, [items(&[settings()]), vec![garbage(id())]].concat()).unwrap();
    assert!(in_use(&catalog).is_empty());
}

#[test]
fn a_deployment_with_a_restriction_that_nobody_knows_is_not_used() {
    let mut catalog = started(&[settings(), deployment("d", |_| {})]);
    next(&mut catalog, items(&[deployment("d", |row| row.requires = vec!["region".into()])]), &[]);
    assert!(in_use(&catalog).is_empty());
    assert!(rejected(&catalog)[0].contains("`region`"));
}

#[test]
fn a_deployment_compiles_when_its_credential_arrives_and_goes_with_it() {
    let needs = |name: &str| deployment("d", |row| row.credential = Some(name.into()));
    let mut catalog = started(&[settings(), needs("c")]);
    assert!(in_use(&catalog).is_empty());
    assert_eq!(rejected(&catalog), ["deployment d: there is no credential `c`"]);
    next(&mut catalog, items(&[credential("c", "one")]), &[]);
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (1, 0));
    next(&mut catalog, items(&[credential("c", "two")]), &[]);
    let snapshot = catalog.snapshot().unwrap();
    let told = snapshot.models.deployments().next().unwrap().headers[0].1.as_bytes();
    assert_eq!(told, b"Bearer two");
    next(&mut catalog, vec![], &[Id::Credential("c".into())]);
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (0, 1));
}

#[test]
fn a_credential_that_is_not_understood_stays_what_it_was() {
    let id = || Id::Credential("c".into());
    let rows = [settings(), credential("c", "one"), deployment("d", |row| row.credential = Some("c".into()))];
    let mut catalog = started(&rows);
    next(&mut catalog, vec![garbage(id())], &[]);
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (1, 1));
    let again =
        [items(&[settings(), deployment("d", |row| row.credential = Some("c".into()))]), vec![garbage(id())]];
    full(&mut catalog, 3, again.concat()).unwrap();
    assert_eq!((in_use(&catalog).len(), rejected(&catalog).len()), (1, 1));
}

#[test]
fn bad_settings_leave_the_former_ones_in_force() {
    let zone = |name: &str| settings_with(|row| row.timezone = name.into());
    let mut catalog = started(&[zone("Europe/Berlin"), key(1, |_| {})]);
    let in_force =
        |catalog: &crate::Catalog| catalog.snapshot().unwrap().settings.zone.iana_name().unwrap().to_owned();
    next(&mut catalog, items(&[zone("Mars/Phobos"), key(2, |_| {})]), &[]);
    assert_eq!((in_force(&catalog), fate(&catalog, 2)), ("Europe/Berlin".into(), Fate::Served));
    assert!(rejected(&catalog)[0].starts_with("settings: "));
    full(&mut catalog, 3, items(&[zone("Mars/Deimos"), key(1, |_| {})])).unwrap();
    assert_eq!(in_force(&catalog), "Europe/Berlin");
    next(&mut catalog, vec![garbage(Id::Settings)], &[Id::Settings]);
    assert_eq!(in_force(&catalog), "Europe/Berlin");
    next(&mut catalog, items(&[zone("Asia/Tokyo")]), &[]);
    assert_eq!((in_force(&catalog), rejected(&catalog)), ("Asia/Tokyo".into(), vec![]));
    assert!(refusal(full(&mut super::support::catalog(), 1, items(&[zone("Mars/Phobos")]))).contains("Mars"));
}

#[test]
fn principals_that_are_no_longer_understood_deny() {
    let owned = key(1, |key| {
        key.team_id = Some("t".into());
        key.user_id = Some("u".into());
    });
    let rows = [settings(), team("t"), user("u"), owned];
    for id in [Id::Team("t".into()), Id::User("u".into()), Id::Key(hash(1))] {
        let mut by_delta = started(&rows);
        assert_eq!(fate(&by_delta, 1), Fate::Served);
        next(&mut by_delta, vec![garbage(id.clone())], &[]);
        let mut by_full = started(&rows);
        let others: Vec<_> = rows.iter().filter(|row| row.id() != id).cloned().collect();
        full(&mut by_full, 2, [items(&others), vec![garbage(id.clone())]].concat()).unwrap();
        for catalog in [&mut by_delta, &mut by_full] {
            assert_eq!(fate(catalog, 1), Fate::Denied, "{id}");
            assert!(rejected(catalog).iter().any(|line| line.starts_with(&format!("{id}: "))));
            next(catalog, items(&rows), &[]);
            assert_eq!((fate(catalog, 1), rejected(catalog)), (Fate::Served, vec![]));
        }
    }
}

#[test]
fn a_key_without_its_team_is_listed_until_the_team_comes_and_again_when_it_goes() {
    let owned = |n| key(n, |key| key.team_id = Some("t".into()));
    let mut catalog = started(&[settings(), owned(1)]);
    let line = format!("key {}: there is no team `t`", hash(1));
    assert_eq!((fate(&catalog, 1), rejected(&catalog)), (Fate::Dangling, vec![line.clone()]));
    next(&mut catalog, items(&[owned(2), team("t")]), &[]);
    assert_eq!((fate(&catalog, 2), rejected(&catalog)), (Fate::Served, vec![]));
    next(&mut catalog, vec![], &[Id::Team("t".into()), Id::Key(hash(2))]);
    assert_eq!((fate(&catalog, 1), rejected(&catalog)), (Fate::Dangling, vec![line]));
    next(&mut catalog, items(&[key(1, |_| {})]), &[]);
    assert_eq!((fate(&catalog, 1), rejected(&catalog)), (Fate::Served, vec![]));
}

#[test]
fn of_two_rows_with_one_name_neither_is_believed_unless_they_agree() {
    let open = || key(1, |_| {});
    let blocked = || key(1, |key| key.blocked = true);
    for (one, two, fated) in
        [(open(), open(), Fate::Served), (open(), blocked(), Fate::Denied), (blocked(), open(), Fate::Denied)]
    {
        let twice = items(&[one, two]);
        let mut catalog = started(&[settings(), open()]);
        next(&mut catalog, twice.clone(), &[]);
        assert_eq!(fate(&catalog, 1), fated);
        full(&mut catalog, 3, [items(&[settings()]), twice].concat()).unwrap();
        assert_eq!(fate(&catalog, 1), fated);
        assert_eq!(rejected(&catalog).is_empty(), fated == Fate::Served);
    }
}

#[test]
fn of_two_deployments_with_one_id_the_former_one_stays_unless_one_of_them_blocks() {
    let at = |host: &str| deployment("d", |row| row.api_base = Some(format!("https://{host}")));
    let mut catalog = started(&[settings(), at("former")]);
    next(&mut catalog, items(&[at("one"), at("two")]), &[]);
    assert_eq!((in_use(&catalog), rejected(&catalog).len()), (vec!["d@former".into()], 1));
    full(&mut catalog, 3, items(&[settings(), at("one"), at("two")])).unwrap();
    assert_eq!((in_use(&catalog), rejected(&catalog).len()), (vec!["d@former".into()], 1));
    next(&mut catalog, items(&[at("one"), deployment("d", |row| row.blocked = true)]), &[]);
    assert!(in_use(&catalog).is_empty());
}

#[test]
fn what_a_delta_deletes_is_gone_even_if_it_also_puts_it() {
    let mut catalog = started(&[settings(), key(1, |_| {})]);
    next(&mut catalog, items(&[key(1, |_| {})]), &[Id::Key(hash(1))]);
    assert_eq!(fate(&catalog, 1), Fate::Unknown);
}

#[test]
fn unknown_kinds_are_listed_until_they_go_and_bad_deletions_stay_listed() {
    let unknown = || Id::Unknown(99, "x".into());
    let mut catalog = started(&[settings(), key(1, |_| {})]);
    next(&mut catalog, vec![garbage(unknown())], &[]);
    assert_eq!(rejected(&catalog).len(), 1);
    next(&mut catalog, vec![], &[unknown(), Id::Unknown(98, "never seen".into())]);
    assert!(rejected(&catalog).is_empty());
    next(&mut catalog, vec![], &[Id::Unknown(7, "no hash".into()), Id::Settings]);
    assert_eq!(rejected(&catalog).len(), 2);
    assert_eq!(fate(&catalog, 1), Fate::Served);
}
