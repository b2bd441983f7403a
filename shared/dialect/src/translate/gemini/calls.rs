//! Ids of calls. Google may leave them out, and then results follow by name.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

/// The calls of a conversation that wait for their results.
#[derive(Default)]
pub(super) struct Calls<'a> {
    count: usize,
    waiting: HashMap<Cow<'a, str>, VecDeque<Cow<'a, str>>>,
}

impl<'a> Calls<'a> {
    /// The id of a call; one that has none is numbered, the same way in every request of the conversation.
    pub(super) fn call(&mut self, name: &Cow<'a, str>, id: Option<Cow<'a, str>>) -> Cow<'a, str> {
        let id = id.unwrap_or_else(|| format!("call_{}", self.count).into());
        self.count += 1;
        self.waiting.entry(name.clone()).or_default().push_back(id.clone());
        id
    }

    /// The id of the call that a result belongs to: the first of this name that has no result yet.
    pub(super) fn result(&mut self, name: &str, id: Option<Cow<'a, str>>) -> Cow<'a, str> {
        let waiting = self.waiting.get_mut(name);
        match (id, waiting) {
            (Some(id), Some(waiting)) => {
                if waiting.front() == Some(&id) {
                    waiting.pop_front();
                }
                id
            }
            (Some(id), None) => id,
            (None, waiting) => {
                waiting.and_then(VecDeque::pop_front).unwrap_or_else(|| format!("call_{name}").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_follow_their_calls_by_name() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(&"f".into(), None), "call_0");
        assert_eq!(calls.call(&"g".into(), Some("own".into())), "own");
        assert_eq!(calls.call(&"f".into(), None), "call_2");
        assert_eq!(calls.result("f", None), "call_0");
        assert_eq!(calls.result("g", Some("own".into())), "own");
        assert_eq!(calls.result("f", None), "call_2");
        assert_eq!(calls.result("f", None), "call_f");
    }
}
