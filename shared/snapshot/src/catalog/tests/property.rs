//! However it got there, a catalogue is what the database says.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::support::*;
use crate::wire::{Id, Row, encode};
use bulkhead_proto as proto;

/// The few things that a history is about.
pub(crate) fn thing(pick: u8, variant: u8) -> (Id, proto::Item) {
    let blocked = variant.is_multiple_of(3);
    let host = format!("https://host{variant}.example");
    let n = u64::from(pick % 4);
    let row = match pick % 16 {
        0..4 => key(n, |row| {
            row.blocked = blocked;
            row.alias = Some(variant.to_string());
            row.team_id = (!variant.is_multiple_of(4)).then(|| format!("t{}", variant % 4));
            row.user_id = (!variant.is_multiple_of(5)).then(|| "u0".to_owned());
        }),
        4..8 => changed(team(&format!("t{n}")), blocked),
        8..10 => changed(user(&format!("u{}", n % 2)), blocked),
        10 => credential("always", &variant.to_string()),
        11 => settings_with(|row| row.drop_params = blocked),
        12 => deployment("bad", |row| row.provider = format!("nobody{variant}")),
        13 => deployment("other", |row| (row.credential, row.blocked) = (Some("always".into()), blocked)),
        _ => deployment(&format!("d{}", n % 2), |row| (row.api_base, row.blocked) = (Some(host), blocked)),
    };
    let id = row.id();
    let principal = matches!(row, Row::Key(_) | Row::Team(_) | Row::User(_));
    if principal && variant % 7 == 1 { (id.clone(), garbage(id)) } else { (id, encode(&row)) }
}

fn changed(mut row: Row, blocked: bool) -> Row {
    match &mut row {
        Row::Team(row) => row.blocked = blocked,
        Row::User(row) => row.blocked = blocked,
        _ => {}
    }
    row
}

proptest! {
    #[test]
    fn deltas_lead_to_what_one_full_sync_of_the_end_gives(
        batches in vec(vec((any::<u8>(), any::<u8>(), any::<bool>()), 0..6), 1..20),
    ) {
        let start = [settings(), credential("always", "0")];
        let mut state: BTreeMap<Id, proto::Item> = start.iter().map(|row| (row.id(), encode(row))).collect();
        let mut by_deltas = started(&start);
        for batch in batches {
            let mut touched = BTreeMap::new();
            for (pick, variant, delete) in batch {
                let (id, item) = thing(pick, variant);
                let delete = delete && !matches!(id, Id::Settings | Id::Credential(_));
                touched.insert(id, (!delete).then_some(item));
            }
            let deleted: Vec<_> = touched.iter().filter(|(_, put)| put.is_none()).map(|(id, _)| id.clone()).collect();
            next(&mut by_deltas, touched.values().flatten().cloned().collect(), &deleted);
            for (id, put) in touched {
                match put {
                    Some(item) => state.insert(id, item),
                    None => state.remove(&id),
                };
            }
        }
        let mut at_once = catalog();
        full(&mut at_once, by_deltas.version().unwrap().seq, state.into_values().collect()).unwrap();
        prop_assert_eq!(picture(&by_deltas), picture(&at_once));
        let before = picture(&at_once);
        let again: Vec<_> = at_once.rows().map(|row| encode(&row)).collect();
        let seq = at_once.version().unwrap().seq;
        full(&mut at_once, seq, again).unwrap();
        let decided = |picture: &[String]| -> Vec<String> {
            picture.iter().filter(|line| line.contains(" is ") && !line.contains(':')).cloned().collect()
        };
        prop_assert_eq!(decided(&before), decided(&picture(&at_once)));
    }
}
