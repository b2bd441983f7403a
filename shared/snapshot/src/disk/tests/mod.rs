mod damage;
mod speed;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bulkhead_model::Secret;
use tempfile::TempDir;

use super::*;
use crate::catalog::tests::support::*;
use crate::wire::Id;

fn keys(token: &str) -> StateKeys {
    StateKeys::from_join_token(&Secret::new(token))
}

fn open(dir: &Path) -> (Disk, Catalog, Vec<String>) {
    Disk::open(dir, keys("token"), prices()).unwrap()
}

/// A node that keeps what it gets.
struct Node {
    dir: TempDir,
    disk: Disk,
    catalog: Catalog,
}

impl Node {
    /// At seq 1, with keys 0 to 9.
    fn started() -> Self {
        let dir = TempDir::new().unwrap();
        let (mut disk, mut catalog, notes) = open(dir.path());
        assert!(notes.is_empty() && catalog.version().is_none());
        let mut rows = vec![settings(), credential("c", "sk-provider-canary"), team("t")];
        rows.push(deployment("d", |row| row.credential = Some("c".into())));
        rows.extend((0..10).map(|n| key(n, |_| {})));
        full(&mut catalog, 1, items(&rows)).unwrap();
        assert!(disk.wants_base());
        disk.write_base(&catalog).unwrap();
        assert!(!disk.wants_base());
        Self { dir, disk, catalog }
    }

    fn next(&mut self, put: Vec<proto::Item>, delete: &[Id]) {
        let delta = next(&mut self.catalog, put, delete);
        self.disk.append(&delta).unwrap();
    }

    fn revoke(&mut self, n: u64) {
        self.next(vec![], &[Id::Key(hash(n))]);
    }

    fn write_base(&mut self) {
        self.disk.write_base(&self.catalog).unwrap();
    }

    /// What a new process makes of the files, and what it says.
    fn reopened(&self) -> (Vec<String>, Vec<String>) {
        let (_, catalog, notes) = open(self.dir.path());
        (picture(&catalog), notes)
    }

    fn comes_back(&self) -> Vec<String> {
        let (seen, notes) = self.reopened();
        assert_eq!(seen, picture(&self.catalog));
        notes
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Names in the directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_base_and_its_journal_come_back() {
    let mut node = Node::started();
    assert!(node.comes_back().is_empty());
    node.revoke(1);
    node.next(items(&[key(2, |key| key.blocked = true), key(20, |_| {})]), &[]);
    assert!(node.comes_back().is_empty());
    node.write_base();
    assert!(node.comes_back().is_empty());
    node.revoke(3);
    assert!(node.comes_back().is_empty());
}

#[test]
fn what_is_not_in_force_as_it_came_comes_back_too() {
    let mut node = Node::started();
    let bad = deployment("d", |row| row.api_base = Some("ftp://x".into()));
    let zone = settings_with(|row| row.timezone = "Mars/Phobos".into());
    let owned = key(3, |key| key.team_id = Some("nobody".into()));
    let unread =
        [Id::Key(hash(1)), Id::Team("t".into()), Id::Credential("c".into()), Id::Unknown(99, "x".into())];
    let put = [items(&[bad, zone, owned]), unread.into_iter().map(garbage).collect()].concat();
    node.next(put, &[]);
    assert_eq!((rejected(&node.catalog).len(), in_use(&node.catalog).len()), (7, 1));
    node.comes_back();
    node.write_base();
    node.comes_back();
    // And again from what was written of that.
    let (mut disk, catalog, _) = open(node.dir.path());
    disk.write_base(&catalog).unwrap();
    node.comes_back();
    node.next(vec![garbage(Id::Settings), garbage(Id::Deployment("d".into()))], &[]);
    node.write_base();
    node.comes_back();
}

#[test]
fn a_torn_tail_is_cut_off_and_written_over() {
    let mut node = Node::started();
    node.revoke(1);
    let before = picture(&node.catalog);
    node.revoke(2);
    let journal = node.path("snapshot.2.journal");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, &whole[..whole.len() - 1]).unwrap();
    let (mut disk, mut catalog, notes) = open(node.dir.path());
    assert_eq!(picture(&catalog), before);
    assert!(notes[0].contains("it ends too early"), "{notes:?}");
    let delta = next(&mut catalog, vec![], &[Id::Key(hash(4))]);
    disk.append(&delta).unwrap();
    let (again, notes) = node.reopened();
    assert_eq!((again, notes), (picture(&catalog), vec![]));
}

#[test]
fn a_revoked_key_stays_revoked_through_a_damaged_base() {
    let mut node = Node::started();
    node.revoke(1);
    node.write_base();
    node.revoke(2);
    assert_eq!(
        names(node.dir.path()),
        ["snapshot.2.base", "snapshot.2.journal", "snapshot.3.base", "snapshot.3.journal"]
    );
    flip(&node.path("snapshot.3.base"), 200);
    let notes = node.comes_back();
    assert!(notes[0].contains("its checksum does not fit"), "{notes:?}");
    assert!(notes.last().unwrap().contains("written anew"));
    // The damaged one is gone, and one may be damaged again.
    assert!(node.comes_back().is_empty());
    flip(&node.path("snapshot.5.base"), 200);
    node.comes_back();
}

#[test]
fn a_revocation_in_a_full_sync_survives_a_damaged_base() {
    let mut node = Node::started();
    node.revoke(1);
    let rows: Vec<_> = node.catalog.rows().filter(|row| row.id() != Id::Key(hash(2))).collect();
    full(&mut node.catalog, 9, items(&rows)).unwrap();
    node.write_base();
    node.revoke(3);
    let bases: Vec<_> = names(node.dir.path()).into_iter().filter(|name| name.ends_with("base")).collect();
    assert_eq!(bases.len(), 2);
    fs::remove_file(node.path(&bases[1])).unwrap();
    node.comes_back();
}

#[test]
fn a_process_that_ends_while_it_writes_a_base_loses_nothing() {
    let mut node = Node::started();
    node.revoke(1);
    let unwritten = node.disk.begin_base(&node.catalog).unwrap();
    node.revoke(2);
    fs::write(node.path("snapshot.3.tmp"), b"half").unwrap();
    assert!(node.comes_back().is_empty());
    assert!(!node.path("snapshot.3.tmp").exists());
    node.revoke(3);
    let written = unwritten.unwrap().write().unwrap();
    node.revoke(4);
    node.disk.finish_base(written);
    node.revoke(5);
    assert!(node.comes_back().is_empty());
    fs::remove_file(node.path("snapshot.3.base")).unwrap();
    node.comes_back();
}

#[test]
fn a_base_that_could_not_be_written_is_not_counted_on() {
    let mut node = Node::started();
    node.revoke(1);
    drop(node.disk.begin_base(&node.catalog).unwrap());
    node.revoke(2);
    assert!(node.disk.wants_base());
    node.write_base();
    node.revoke(3);
    flip(&node.path("snapshot.4.base"), 200);
    node.comes_back();
}

#[test]
fn files_are_for_their_owner_only_and_hold_nothing_in_clear() {
    let mut node = Node::started();
    node.next(items(&[credential("c", "sk-rotated-canary")]), &[]);
    for name in names(node.dir.path()) {
        let path = node.path(&name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let bytes = fs::read(&path).unwrap();
        for canary in ["canary", "openai", "group-d", "token"] {
            assert!(
                !bytes.windows(canary.len()).any(|window| window == canary.as_bytes()),
                "{name}: {canary}"
            );
        }
    }
}

#[test]
fn with_another_key_there_is_nothing_and_nothing_is_lost() {
    let mut node = Node::started();
    node.revoke(1);
    let (mut disk, catalog, notes) = Disk::open(node.dir.path(), keys("other"), prices()).unwrap();
    assert!(catalog.version().is_none());
    assert!(notes.iter().all(|note| note.contains("another key") || note.contains("no state")), "{notes:?}");
    disk.write_base(&catalog).unwrap();
    drop(disk);
    assert!(node.comes_back().is_empty());
}

#[test]
fn an_old_key_still_reads_and_asks_for_a_new_base() {
    let mut node = Node::started();
    node.revoke(1);
    let rotated = || keys("new").with_old(keys("token"));
    let (mut disk, mut catalog, notes) = Disk::open(node.dir.path(), rotated(), prices()).unwrap();
    assert_eq!((picture(&catalog), notes), (picture(&node.catalog), vec![]));
    assert!(disk.wants_base());
    disk.append(&next(&mut catalog, vec![], &[Id::Key(hash(2))])).unwrap();
    disk.write_base(&catalog).unwrap();
    assert!(!disk.wants_base());
    let (_, again, _) = Disk::open(node.dir.path(), keys("new"), prices()).unwrap();
    assert_eq!(picture(&again), picture(&catalog));
}

#[test]
fn what_does_not_go_on_is_not_appended_and_wants_a_base() {
    let mut node = Node::started();
    let skipped = next(&mut node.catalog, vec![], &[Id::Key(hash(1))]);
    let delta = next(&mut node.catalog, vec![], &[Id::Key(hash(2))]);
    node.disk.append(&delta).unwrap_err();
    assert!(node.disk.wants_base());
    node.disk.append(&skipped).unwrap_err();
    node.write_base();
    node.revoke(3);
    assert!(node.comes_back().is_empty());
}

#[test]
fn a_journal_that_has_grown_wants_a_base() {
    let mut node = Node::started();
    let large =
        || items(&[key(1, |key| key.metadata = Some(format!("{{\"a\":\"{}\"}}", "x".repeat(300_000))))]);
    let mut count = 0;
    while !node.disk.wants_base() {
        node.next(large(), &[]);
        count += 1;
    }
    assert_eq!(count, 4);
    node.write_base();
    assert!(!node.disk.wants_base());
    assert!(node.comes_back().is_empty());
}

#[test]
fn a_large_state_is_written_in_chunks() {
    let mut node = Node::started();
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let many: Vec<_> = (100..2000).map(|n| key(n, |key| key.metadata = Some(text.clone()))).collect();
    node.next(items(&many), &[]);
    node.write_base();
    assert!(node.comes_back().is_empty());
}

#[test]
fn a_directory_that_is_none_is_an_error_and_one_that_is_not_there_is_made() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(Disk::open(&file, keys("token"), prices()).is_err());
    let (_, catalog, notes) = open(&dir.path().join("a/b"));
    assert!(catalog.version().is_none() && notes.is_empty());
    assert!(names(&dir.path().join("a/b")).is_empty());
}
