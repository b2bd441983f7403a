//! Edits of a scanned body that leave every other byte as it is.

use std::ops::Range;

use bytes::Bytes;

use super::member::{Kind, Member, Scan};
use super::segments::{Cursor, Segments};

#[derive(Debug)]
enum Edit {
    Replace(Bytes),
    Remove,
    /// Elements to add at the end of an array, in order.
    Extend(Vec<Bytes>),
    /// Parts of the value, in order and apart, and what goes into the place of each.
    Within(Vec<(Range<usize>, Bytes)>),
}

/// Collects edits by member, then applies them all at once. The last of several edits of one member counts; only
/// insertions into an array add up.
#[derive(Debug)]
pub struct Splice<'a> {
    scan: &'a Scan,
    edits: Vec<(Member, Edit)>,
    /// Members to add, as `"name":value`.
    appended: Vec<Vec<u8>>,
}

impl<'a> Splice<'a> {
    /// No edits yet.
    pub fn new(scan: &'a Scan) -> Self {
        Self { scan, edits: Vec::new(), appended: Vec::new() }
    }

    /// Puts other JSON text in the place of a member's value.
    pub fn replace(&mut self, member: &Member, json: Bytes) {
        self.set(member, Edit::Replace(json));
    }

    /// Puts something in the place of parts of a member's value: ranges of the body, in order and apart.
    pub fn replace_within(&mut self, member: &Member, parts: Vec<(Range<usize>, Bytes)>) {
        if !parts.is_empty() {
            self.set(member, Edit::Within(parts));
        }
    }

    /// Takes a member out, and the comma that it would leave behind.
    pub fn remove(&mut self, member: &Member) {
        self.set(member, Edit::Remove);
    }

    /// Adds elements, given as JSON text with commas between them, at the end of a member's array. Nothing happens
    /// to a member that is no array or is edited otherwise.
    pub fn insert_into_array(&mut self, member: &Member, elements: Bytes) {
        if !matches!(member.kind, Kind::Array { .. }) || elements.is_empty() {
            return;
        }
        match self.edits.iter_mut().find(|(edited, _)| edited.ordinal == member.ordinal) {
            Some((_, Edit::Extend(all))) => all.push(elements),
            Some(_) => {}
            None => self.edits.push((member.clone(), Edit::Extend(vec![elements]))),
        }
    }

    /// Adds a member at the end of the object. The name is plain text, the value JSON text.
    pub fn append(&mut self, name: &str, json: impl AsRef<[u8]>) {
        let mut text = serde_json::Value::from(name).to_string().into_bytes();
        text.push(b':');
        text.extend_from_slice(json.as_ref());
        self.appended.push(text);
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.appended.is_empty()
    }

    /// The edited body. It shares the memory of what stays.
    pub fn apply(mut self, body: &Segments) -> Segments {
        self.edits.sort_unstable_by_key(|(member, _)| member.ordinal);
        let mut cursor = Cursor::new(body);
        let mut out = Segments::default();
        let mut removed = 0;
        for (member, edit) in self.edits {
            let cuts = match edit {
                Edit::Replace(json) => vec![(member.value.clone(), json)],
                Edit::Extend(elements) => extension(&member, elements),
                Edit::Within(parts) => parts,
                Edit::Remove => {
                    let follows_kept = member.ordinal > removed;
                    removed += 1;
                    vec![(removal(&member, follows_kept), Bytes::new())]
                }
            };
            for (cut, inserted) in cuts {
                cursor.copy_to(cut.start, &mut out);
                cursor.skip_to(cut.end);
                out.push(inserted);
            }
        }
        cursor.copy_to(self.scan.close, &mut out);
        let mut first = self.scan.members().len() == removed;
        for text in self.appended {
            if !std::mem::take(&mut first) {
                out.push(Bytes::from_static(b","));
            }
            out.push(text.into());
        }
        cursor.copy_to(body.len(), &mut out);
        out
    }

    fn set(&mut self, member: &Member, edit: Edit) {
        match self.edits.iter_mut().find(|(edited, _)| edited.ordinal == member.ordinal) {
            Some((_, existing)) => *existing = edit,
            None => self.edits.push((member.clone(), edit)),
        }
    }
}

/// What goes with a member that is taken out. After a member that stays it takes the comma before it along, else, at
/// the front of the object, the comma after it; so no comma is taken twice and none is left over.
fn removal(member: &Member, follows_kept: bool) -> Range<usize> {
    match (member.comma_before, member.comma_after) {
        (Some(comma), _) if follows_kept => comma..member.value.end,
        (_, Some(comma)) => member.key.start..comma + 1,
        (_, None) => member.key.start..member.value.end,
    }
}

fn extension(member: &Member, elements: Vec<Bytes>) -> Vec<(Range<usize>, Bytes)> {
    let bracket = member.value.end.saturating_sub(1);
    let mut first = member.kind == Kind::Array { empty: true };
    let mut parts = Vec::with_capacity(2 * elements.len());
    for text in elements {
        if !std::mem::take(&mut first) {
            parts.push((bracket..bracket, Bytes::from_static(b",")));
        }
        parts.push((bracket..bracket, text));
    }
    parts
}
