mod rows;

use bulkhead_model::NanoUsd;
use bulkhead_model::rows::RoutingRow;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use prost::Message;
use proto::resource::Body;

use super::*;
pub(crate) use rows::{Shown, key, row};

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(Shown(row) in row()) {
        let decoded = decode(encode(&row));
        prop_assert!(decoded.id() == row.id());
        prop_assert!(matches!(decoded, Decoded::Whole(decoded) if decoded == row));
    }

    #[test]
    fn a_name_survives_the_wire(kind in any::<i32>(), known in 0i32..9, id in any::<String>()) {
        for kind in [kind, known] {
            let id = Id::decode(proto::Ref { kind, id: id.clone() });
            prop_assert_eq!(&Id::decode(id.encode()), &id);
        }
    }

    #[test]
    fn damaged_bytes_never_panic_and_never_turn_into_another_name(
        Shown(row) in row(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in of(any::<prop::sample::Index>()),
    ) {
        let mut item = encode(&row);
        let mut bytes = item.resource.to_vec();
        for (at, value) in flips.iter().take(bytes.len()) {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        item.resource = bytes.into();
        prop_assert!(decode(item).id() == row.id());
    }
}

fn item(id: Id, body: Option<Body>) -> proto::Item {
    proto::Item { r#ref: Some(id.encode()), resource: proto::Resource { body }.encode_to_vec().into() }
}

fn some_key() -> (KeyHash, KeyRow) {
    let hash = KeyHash::of("sk-1");
    (hash, KeyRow { id: "k".into(), ..KeyRow::of(hash) })
}

/// The restrictions of a principal that denies, and what was said about it.
fn denied(decoded: Decoded) -> (Id, Vec<String>, String) {
    let Decoded::Denying(row, reason) = decoded else { panic!("it does not deny") };
    let id = row.id();
    let requires = match row {
        Row::Team(row) => row.requires,
        Row::User(row) => row.requires,
        Row::Member(row) => row.requires,
        Row::Key(row) => row.requires,
        Row::Deployment(row) => row.requires,
        Row::Settings(_) | Row::Credential(_) => panic!("it cannot deny"),
    };
    (id, requires, reason)
}

fn principals() -> Vec<Id> {
    let member = Id::Member(crate::member_id("t", "u"));
    vec![Id::Team("t".into()), Id::User("u".into()), member, Id::Key(some_key().0)]
}

fn others() -> Vec<Id> {
    let known = vec![Id::Settings, Id::Credential("c".into()), Id::Deployment("d".into())];
    let unknown = vec![Id::Unknown(99, "x".into()), Id::Unknown(7, "no hash".into()), Id::Member("m".into())];
    known.into_iter().chain(unknown).collect()
}

#[test]
fn what_cannot_be_decoded_denies_a_principal_and_is_nothing_else() {
    let garbage = Bytes::from_static(&[0xff; 9]);
    let unknown_kind = proto::Item { r#ref: None, resource: Bytes::from_static(&[0xc2, 0x3e, 0]) };
    for (resource, reason) in [(garbage, "decoded"), (unknown_kind.resource, "kind")] {
        for id in principals() {
            let item = proto::Item { r#ref: Some(id.encode()), resource: resource.clone() };
            let (denied, requires, said) = denied(decode(item));
            assert_eq!((denied, requires), (id, vec![said.clone()]));
            assert!(said.contains(reason), "{said}");
        }
        for id in others() {
            let item = proto::Item { r#ref: Some(id.encode()), resource: resource.clone() };
            assert!(matches!(decode(item), Decoded::Nothing(named, _) if named == id));
        }
    }
}

#[test]
fn a_wrong_reference_denies_whom_it_names() {
    let (_, row) = some_key();
    let mut item = encode(&Row::Key(Box::new(row)));
    for id in principals().into_iter().take(3) {
        item.r#ref = Some(id.encode());
        assert_eq!(denied(decode(item.clone())).0, id);
    }
    item.r#ref = Some(Id::Credential("c".into()).encode());
    assert!(matches!(decode(item), Decoded::Nothing(Id::Credential(_), _)));
}

#[test]
fn a_reference_that_names_nobody_denies_who_is_inside() {
    let (hash, row) = some_key();
    let mut item = encode(&Row::Key(Box::new(row)));
    for reference in [None, Some(proto::Ref { kind: 7, id: "short".into() }), Some(proto::Ref::default())] {
        item.r#ref = reference;
        assert_eq!(denied(decode(item.clone())).0, Id::Key(hash));
    }
}

#[test]
fn a_restriction_that_nobody_knows_denies() {
    let (hash, row) = some_key();
    let row = KeyRow { requires: vec!["moon_phase".into()], ..row };
    let (id, requires, said) = denied(decode(encode(&Row::Key(Box::new(row)))));
    assert_eq!((id, requires), (Id::Key(hash), vec!["moon_phase".to_owned()]));
    assert!(said.contains("`moon_phase`"), "{said}");

    let row = DeploymentRow { id: "d".into(), requires: vec!["region".into()], ..DeploymentRow::default() };
    let (_, requires, _) = denied(decode(encode(&Row::Deployment(Box::new(row)))));
    assert_eq!(requires, ["region"]);
}

#[test]
fn a_principal_that_is_understood_in_part_keeps_that_part_and_denies() {
    let (hash, _) = some_key();
    let body = proto::Key {
        hash: Bytes::copy_from_slice(&hash.0),
        id: "k".into(),
        budget: Some(proto::Budget { max: 5, window: Some("1 moon".into()) }),
        metadata: Some("[]".into()),
        blocked: true,
        ..proto::Key::default()
    };
    let decoded = decode(item(Id::Key(hash), Some(Body::Key(body))));
    let Decoded::Denying(Row::Key(row), reason) = decoded else { panic!() };
    assert!(row.blocked);
    assert_eq!((row.id.as_str(), row.budget.unwrap().max), ("k", NanoUsd(5)));
    assert_eq!(row.requires.len(), 2);
    assert!(reason.contains("1 moon") && reason.contains("metadata"), "{reason}");
    assert_eq!(row.metadata, None);
}

#[test]
fn a_hash_that_is_too_short_denies_the_key_and_drops_settings() {
    let (hash, _) = some_key();
    let body = proto::Key { hash: Bytes::from_static(b"short"), ..proto::Key::default() };
    assert_eq!(denied(decode(item(Id::Key(hash), Some(Body::Key(body))))).0, Id::Key(hash));

    let mut sent = encode(&Row::Settings(Box::default()));
    let Ok(proto::Resource { body: Some(Body::Settings(mut body)) }) = proto::Resource::decode(sent.resource)
    else {
        panic!()
    };
    body.master_key = Some(Bytes::from_static(b"short"));
    sent.resource = proto::Resource { body: Some(Body::Settings(body)) }.encode_to_vec().into();
    assert!(matches!(decode(sent), Decoded::Nothing(Id::Settings, _)));
}

#[test]
fn settings_that_would_stop_everything_are_nothing() {
    for wrong in [
        proto::Settings::default(),
        proto::Settings { budget_exceeded_status: 200, ..sane() },
        proto::Settings { max_request_bytes: 0, ..sane() },
        proto::Settings { body_memory_bytes: 0, ..sane() },
        proto::Settings { request_timeout: 0, ..sane() },
    ] {
        let decoded = decode(item(Id::Settings, Some(Body::Settings(wrong))));
        assert!(matches!(decoded, Decoded::Nothing(Id::Settings, _)));
    }
    assert!(matches!(decode(item(Id::Settings, Some(Body::Settings(sane())))), Decoded::Whole(_)));
}

fn sane() -> proto::Settings {
    proto::Settings {
        max_request_bytes: 1,
        body_memory_bytes: 1,
        request_timeout: 1,
        budget_exceeded_status: 422,
        ..proto::Settings::default()
    }
}

#[test]
fn what_an_earlier_release_does_not_send_is_as_if_nobody_had_said_it() {
    let Decoded::Whole(Row::Settings(row)) = decode(item(Id::Settings, Some(Body::Settings(sane())))) else {
        panic!("settings")
    };
    assert_eq!(
        (row.routing, row.connect_timeout),
        (RoutingRow::default(), std::time::Duration::from_secs(10))
    );
}

#[test]
fn a_strategy_that_nobody_knows_leaves_the_settings_as_they_were() {
    let routing = proto::Routing { strategy: 99, ..proto::Routing::default() };
    let body = proto::Settings { routing: Some(routing), ..sane() };
    let decoded = decode(item(Id::Settings, Some(Body::Settings(body))));
    assert!(matches!(decoded, Decoded::Nothing(Id::Settings, reason) if reason.contains("strategy 99")));
}

#[test]
fn a_deployment_with_bad_json_is_nothing_unless_it_is_blocked() {
    let bad = proto::JsonMember { name: "a".into(), json: "{".into() };
    let body = proto::Deployment { id: "d".into(), extra_body: vec![bad], ..proto::Deployment::default() };
    let decoded = decode(item(Id::Deployment("d".into()), Some(Body::Deployment(body.clone()))));
    assert!(matches!(decoded, Decoded::Nothing(Id::Deployment(_), reason) if reason.contains("`a`")));

    let body = proto::Deployment { blocked: true, ..body };
    let decoded = decode(item(Id::Deployment("d".into()), Some(Body::Deployment(body))));
    assert!(matches!(decoded, Decoded::Denying(Row::Deployment(row), _) if row.blocked));
}
