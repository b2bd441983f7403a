//! An item of an answer that is being read.

use std::borrow::Cow;

use super::super::form::{Citation, Delta, Event};
use super::super::json::{get, get_text, items};
use super::super::seal::{Sealed, mark_encrypted};

/// An item that is not done.
pub(super) struct Item {
    pub(super) index: u64,
    pub(super) kind: Kind,
    /// There were events of what it says.
    pub(super) said: bool,
    /// Bytes of the arguments, or of the part that is open, so far.
    pub(super) bytes: usize,
}

/// What an item is.
pub(super) enum Kind {
    Message,
    Reasoning {
        /// Which member its thoughts are in, and the number of the part.
        part: Option<(&'static str, u64)>,
    },
    /// The call of this number.
    Call(u32),
}

impl Item {
    /// Tells of the whole item what was not told before.
    pub(super) fn finish(&self, item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        match self.kind {
            Kind::Message if !self.said => read_message(item, sink),
            Kind::Message => {}
            Kind::Reasoning { .. } => {
                if !self.said {
                    read_thoughts(item, sink);
                }
                read_proof(item, sink);
            }
            Kind::Call(call) => {
                let whole = get_text(item, "arguments").unwrap_or_default();
                // A client parses what it gets.
                let whole = if whole.is_empty() { "{}".into() } else { whole };
                more(self.rest(&whole).map(|text| Delta::Arguments { call, text }), sink);
            }
        }
    }

    /// What of a whole text has not come before.
    pub(super) fn rest<'a>(&self, whole: &'a str) -> Option<Cow<'a, str>> {
        whole.get(self.bytes..).filter(|rest| !rest.is_empty()).map(Cow::Borrowed)
    }
}

fn read_message(item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    for part in get(item, "content").into_iter().flat_map(items) {
        more(get_text(part, "text").map(Delta::Text), sink);
        more(get_text(part, "refusal").map(Delta::Refusal), sink);
        read_logprobs(part, sink);
        for annotation in get(part, "annotations").into_iter().flat_map(items) {
            read_annotation(annotation, sink);
        }
        sink(Event::BlockEnd);
    }
}

/// The summary, or where there is none the thoughts themselves.
fn read_thoughts(item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    let parts = |name| get(item, name).into_iter().flat_map(items);
    let name = if parts("summary").next().is_some() { "summary" } else { "content" };
    for (number, part) in parts(name).enumerate() {
        if number > 0 {
            more(Some(Delta::Thinking("\n\n".into())), sink);
        }
        more(get_text(part, "text").map(Delta::Thinking), sink);
    }
}

/// What proves the thoughts, as a client can bring it back.
fn read_proof(item: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    let Some(encrypted) = get_text(item, "encrypted_content").filter(|content| !content.is_empty()) else {
        return;
    };
    let proof = match Sealed::read(&encrypted) {
        Some(Sealed::Signature { signature, .. }) => Delta::Signature(signature.into()),
        Some(Sealed::Redacted(data)) => Delta::RedactedThinking(data.into()),
        None => {
            let id = get_text(item, "id").unwrap_or_default();
            Delta::Signature(mark_encrypted(&id, &encrypted).into())
        }
    };
    more(Some(proof), sink);
}

/// Probabilities of a text, as chat has them.
pub(super) fn read_logprobs(part: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    let Some(logprobs) = get(part, "logprobs").filter(|list| items(list).next().is_some()) else { return };
    let chat = [b"{\"content\":", logprobs, b"}"].concat();
    more(Some(Delta::Logprobs(&chat)), sink);
}

/// Files that are cited are the provider's own; addresses mean something to everyone.
pub(super) fn read_annotation(annotation: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    if get_text(annotation, "type").as_deref() != Some("url_citation") {
        return;
    }
    let Some(url) = get_text(annotation, "url") else { return };
    let title = get_text(annotation, "title");
    more(Some(Delta::Citation(Citation::Url { url, title, cited: None, span: None })), sink);
}

/// Tells what there is to tell.
pub(super) fn more<'a>(delta: Option<Delta<'a>>, sink: &mut impl FnMut(Event<'_>)) {
    let is_empty = match &delta {
        Some(Delta::Text(text) | Delta::Refusal(text) | Delta::Thinking(text)) => text.is_empty(),
        delta => delta.is_none(),
    };
    if let (false, Some(delta)) = (is_empty, delta) {
        sink(Event::More { choice: 0, delta });
    }
}
