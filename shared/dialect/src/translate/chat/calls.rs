//! Numbers for the calls of tools in an answer. Providers give an index, or only ids, or the same index to all.

/// More calls than any answer has; what is beyond is left out.
const MOST: usize = 1024;

/// Longest part of an id that tells calls apart, in bytes.
const LONGEST_ID: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    choice: u32,
    number: u32,
    index: Option<u64>,
    id: String,
}

/// Which call a piece belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u32,
    /// The piece is the call's first.
    pub(super) is_new: bool,
}

impl Calls {
    pub(super) fn any(&self, choice: u32) -> bool {
        self.0.iter().any(|call| call.choice == choice)
    }

    pub(super) fn place(&mut self, choice: u32, index: Option<u64>, id: &str, named: bool) -> Option<Place> {
        let id = id.get(..id.floor_char_boundary(LONGEST_ID)).unwrap_or_default();
        let mut same = self.0.iter().rev().filter(|call| call.choice == choice);
        let found = match index {
            Some(_) => same.find(|call| call.index == index),
            // Without an index, a name or an id begins the next call.
            None => same.next().filter(|call| if id.is_empty() { !named } else { call.id == id }),
        };
        let found = found.filter(|call| id.is_empty() || call.id.is_empty() || call.id == id);
        if let Some(call) = found {
            return Some(Place { number: call.number, is_new: false });
        }
        if self.0.len() >= MOST {
            return None;
        }
        let last = self.0.iter().rev().find(|call| call.choice == choice);
        let number = last.map_or(0, |call| call.number + 1);
        self.0.push(Call { choice, number, index, id: id.to_owned() });
        Some(Place { number, is_new: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_what_there_is() {
        let mut calls = Calls::default();
        for (choice, index, id, named, number, is_new) in [
            (0, Some(0), "a", true, 0, true),
            (0, Some(0), "", false, 0, false),
            (0, Some(1), "b", true, 1, true),
            (0, Some(0), "a", true, 0, false),
            (1, Some(0), "", true, 0, true),
            // One index for all.
            (0, Some(1), "c", true, 2, true),
            (0, Some(1), "", false, 2, false),
            // No index at all.
            (2, None, "x", true, 0, true),
            (2, None, "", false, 0, false),
            (2, None, "y", true, 1, true),
            (2, None, "", true, 2, true),
        ] {
            let place = calls.place(choice, index, id, named);
            assert_eq!(place, Some(Place { number, is_new }), "{choice} {index:?} {id}");
        }
    }
}
