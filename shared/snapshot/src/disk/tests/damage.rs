//! Whatever happens to the files: what comes back was true once, and is the latest where one base is whole.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::catalog::tests::property::thing;
use crate::wire::encode;

#[derive(Debug, Clone)]
enum Step {
    Change(u8, u8, bool),
    Base,
    Resync(u8, u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<(u8, u8, bool)>().prop_map(|(pick, variant, delete)| Step::Change(pick, variant, delete)),
        2 => Just(Step::Base),
        1 => any::<(u8, u8)>().prop_map(|(pick, variant)| Step::Resync(pick, variant)),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(Vec<(Index, u8)>),
    Cut(Index),
    Remove,
    Empty,
    Longer(Vec<u8>),
    /// Overwritten by another file.
    Swap(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => vec((any::<Index>(), 0u8..8), 1..4).prop_map(Damage::Flip),
        3 => any::<Index>().prop_map(Damage::Cut),
        1 => Just(Damage::Remove),
        1 => Just(Damage::Empty),
        1 => vec(any::<u8>(), 1..100).prop_map(Damage::Longer),
        1 => any::<Index>().prop_map(Damage::Swap),
    ]
}

/// Every state that there was, by sequence number.
type History = BTreeMap<u64, Vec<String>>;

fn live(steps: Vec<Step>) -> (Node, History) {
    let mut node = Node::started();
    let mut history = History::new();
    for step in steps {
        history.insert(node.catalog.version().unwrap().seq, picture(&node.catalog));
        match step {
            Step::Change(pick, variant, delete) => {
                let (id, item) = thing(pick, variant);
                match delete && id != Id::Settings {
                    true => node.next(vec![], &[id]),
                    false => node.next(vec![item], &[]),
                }
            }
            Step::Base => node.write_base(),
            Step::Resync(pick, variant) => {
                let (id, item) = thing(pick, variant);
                let rows = node.catalog.rows().filter(|row| row.id() != id);
                let items = rows.map(|row| encode(&row)).chain([item]).collect();
                let seq = node.catalog.version().unwrap().seq + 3;
                full(&mut node.catalog, seq, items).unwrap();
                node.write_base();
            }
            Step::Restart => {
                let (disk, catalog, notes) = open(node.dir.path());
                assert_eq!((picture(&catalog), notes), (picture(&node.catalog), vec![]));
                (node.disk, node.catalog) = (disk, catalog);
            }
        }
    }
    history.insert(node.catalog.version().unwrap().seq, picture(&node.catalog));
    (node, history)
}

fn hurt(dir: &Path, name: &str, damage: &Damage) {
    let path = dir.join(name);
    let Ok(mut bytes) = fs::read(&path) else { return };
    match damage {
        Damage::Flip(flips) if !bytes.is_empty() => {
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
        Damage::Flip(_) | Damage::Empty => bytes.clear(),
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Damage::Remove => return fs::remove_file(path).unwrap(),
        Damage::Longer(more) => bytes.extend(more),
        Damage::Swap(other) => bytes = fs::read(dir.join(other.get(&names(dir)[..]).as_str())).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

/// After whatever it was, the node goes on.
fn goes_on(node: &Node) {
    let (mut disk, mut catalog, _) = open(node.dir.path());
    if catalog.version().is_none() {
        full(&mut catalog, 1, items(&[settings(), key(1, |_| {})])).unwrap();
        disk.write_base(&catalog).unwrap();
    }
    disk.append(&next(&mut catalog, vec![], &[Id::Key(hash(1))])).unwrap();
    let (again, notes) = node.reopened();
    assert_eq!((again, notes), (picture(&catalog), vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_comes_back_was_true_once(
        steps in vec(step(), 0..24),
        damages in vec((any::<Index>(), damage()), 1..4),
    ) {
        let (node, history) = live(steps);
        let all = names(node.dir.path());
        for (file, damage) in &damages {
            hurt(node.dir.path(), &all[file.index(all.len())], damage);
        }
        let (seen, _) = node.reopened();
        if seen != ["nothing"] {
            prop_assert!(history.values().any(|state| *state == seen), "{seen:?}");
        }
        goes_on(&node);
    }

    #[test]
    fn the_latest_comes_back_where_only_one_base_is_damaged(
        steps in vec(step(), 0..24),
        base in any::<Index>(),
        damage in damage(),
    ) {
        let (node, history) = live(steps);
        let bases: Vec<_> = names(node.dir.path()).into_iter().filter(|name| name.ends_with("base")).collect();
        prop_assert_eq!(bases.len(), 2);
        hurt(node.dir.path(), &bases[base.index(bases.len())], &damage);
        let (seen, _) = node.reopened();
        prop_assert_eq!(&seen, history.values().last().unwrap());
        goes_on(&node);
    }

    #[test]
    fn a_cut_journal_gives_what_was_whole_in_it(steps in vec(step(), 0..24), cut in any::<Index>()) {
        let (node, history) = live(steps);
        let files = Files::open(node.dir.path()).unwrap();
        let path = files.journal(*files.find().unwrap().journals.last().unwrap());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..cut.index(whole.len() + 1)]).unwrap();
        let (seen, _) = node.reopened();
        prop_assert!(history.values().any(|state| *state == seen));
        goes_on(&node);
    }
}
