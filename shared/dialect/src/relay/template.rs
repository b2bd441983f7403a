//! A shortcut for events that differ from the one before only inside known strings.
//!
//! Most events of a stream repeat the one before but for a few letters of text. When an event has been read in full
//! and did nothing but bring text, its bytes are remembered, with holes where text, padding and sequence numbers
//! stand. An event that matches has the same structure and the same values everywhere else, because what a byte
//! means depends only on the bytes before it, and a hole ends where the string, the padding or the number ends. So
//! everything read from the first holds for the second as well, and where it ends is known without looking for it.

use std::ops::Range;

use crate::json::{plain_run, view};

/// Longer events are not worth remembering: their cost lies in their length.
const LONGEST: usize = 4 << 10;

/// What may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoleKind {
    /// Text between quotes whose length counts as generated.
    Content,
    /// Text between quotes.
    Text,
    /// A whole number.
    Digits,
    /// Padding between tokens.
    Spaces,
    /// The model's name with its quotes: does not differ, but where it stands matters.
    Model,
}

/// A part of an event that may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) range: Range<usize>,
    pub(super) kind: HoleKind,
}

/// A literal and what follows it.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A literal of this length, then a hole.
    Hole(usize, HoleKind),
    /// A literal of this length, then the model's name of this length, which is a literal too.
    Model(usize, usize),
}

/// An event that matched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// Bytes of the event, its blank line included.
    pub(super) length: usize,
    /// Where the model's name stands, with its quotes.
    pub(super) model: Option<Range<usize>>,
    /// Bytes of generated text.
    pub(super) content: usize,
}

/// The event remembered.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// All literals, one after the other.
    text: Vec<u8>,
    parts: Vec<Part>,
}

impl Template {
    /// Remembers an event. The holes lie in order and apart; if they do not, nothing is remembered.
    pub(super) fn learn(&mut self, raw: &[u8], holes: &[Hole]) {
        self.parts.clear();
        self.text.clear();
        // After a lone CR at the end an LF may or may not follow.
        if raw.len() > LONGEST || !raw.ends_with(b"\n") {
            return;
        }
        let mut at = 0;
        for Hole { range, kind } in holes {
            let Some(literal) = raw.get(at..range.start) else { return self.parts.clear() };
            self.text.extend_from_slice(literal);
            if *kind == HoleKind::Model {
                self.text.extend_from_slice(view::part(raw, range.clone()));
                self.parts.push(Part::Model(literal.len(), range.len()));
            } else {
                self.parts.push(Part::Hole(literal.len(), *kind));
            }
            at = range.end;
        }
        self.text.extend_from_slice(raw.get(at..).unwrap_or_default());
    }

    /// Compares what lies ahead with the event remembered.
    pub(super) fn matches(&self, ahead: &[u8]) -> Option<Match> {
        if self.parts.is_empty() {
            return None;
        }
        let mut found = Match::default();
        let (mut text, mut rest) = (self.text.as_slice(), ahead);
        for part in &self.parts {
            let (Part::Hole(fixed, _) | Part::Model(fixed, _)) = *part;
            let fixed = fixed + if let Part::Model(_, name) = *part { name } else { 0 };
            let literal;
            (literal, text) = text.split_at_checked(fixed)?;
            rest = rest.strip_prefix(literal)?;
            match *part {
                Part::Model(_, name) => {
                    let end = ahead.len() - rest.len();
                    found.model = Some(end - name..end);
                }
                Part::Hole(_, kind) => {
                    let length = hole_length(rest, kind)?;
                    rest = rest.get(length..)?;
                    if kind == HoleKind::Content {
                        found.content += length;
                    }
                }
            }
        }
        rest = rest.strip_prefix(text)?;
        found.length = ahead.len() - rest.len();
        Some(found)
    }
}

fn hole_length(rest: &[u8], kind: HoleKind) -> Option<usize> {
    let count = |wanted: fn(&u8) -> bool| rest.iter().take_while(|byte| wanted(byte)).count();
    match kind {
        HoleKind::Content | HoleKind::Text => text_length(rest),
        HoleKind::Digits => Some(count(u8::is_ascii_digit)).filter(|length| *length > 0),
        HoleKind::Spaces => Some(count(|byte| *byte == b' ')),
        HoleKind::Model => None,
    }
}

/// The length of a string's text up to its closing quote. `None` when it holds a raw control character: a line end
/// could end the event right there.
fn text_length(rest: &[u8]) -> Option<usize> {
    let plain = plain_run(rest);
    if rest.get(plain) == Some(&b'"') {
        return Some(plain);
    }
    let length = view::string_end(rest, plain)?;
    let control = rest.get(plain..length)?.iter().fold(false, |any, byte| any | (*byte < 0x20));
    (!control).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "data: {\"model\":\"m\",\"n\":1,\"delta\":\"one\",\"p\":\"x\" }\n\n";

    fn hole(text: &str, kind: HoleKind) -> Hole {
        let start = EVENT.find(text).unwrap();
        Hole { range: start..start + text.len(), kind }
    }

    fn template() -> Template {
        let mut template = Template::default();
        let holes = [
            hole("\"m\"", HoleKind::Model),
            hole("1", HoleKind::Digits),
            hole("one", HoleKind::Content),
            hole("x", HoleKind::Text),
            hole(" }", HoleKind::Spaces),
        ];
        let mut holes = holes.to_vec();
        holes[4].range.end -= 1;
        template.learn(EVENT.as_bytes(), &holes);
        template
    }

    #[test]
    fn an_event_that_differs_in_the_holes_matches() {
        let template = template();
        let other = "data: {\"model\":\"m\",\"n\":234,\"delta\":\"t\\\"wo é\",\"p\":\"\"}\n\n";
        let followed = format!("{other}data: {{");
        let found = template.matches(followed.as_bytes());
        assert_eq!(found, Some(Match { length: other.len(), model: Some(15..18), content: 8 }));
    }

    #[test]
    fn an_event_that_differs_elsewhere_or_is_cut_does_not() {
        let template = template();
        for cut in 0..EVENT.len() {
            assert_eq!(template.matches(&EVENT.as_bytes()[..cut]), None);
        }
        for (from, to) in [
            ("\"m\"", "\"k\""),
            ("1", ""),
            ("one", "o\ne"),
            ("\"one\"", "null"),
            ("}", ",\"usage\":{}}"),
            ("\n\n", "\r\n"),
        ] {
            assert_eq!(template.matches(EVENT.replacen(from, to, 1).as_bytes()), None, "{from} -> {to}");
        }
    }

    #[test]
    fn what_cannot_be_a_template_is_not_learnt() {
        let mut template = Template::default();
        let holes = [hole("one", HoleKind::Content)];
        for raw in [EVENT.replace("\n\n", "\r\r"), format!("{}{EVENT}", " ".repeat(LONGEST))] {
            template.learn(raw.as_bytes(), &holes);
            assert_eq!(template.matches(raw.as_bytes()), None);
        }
        template.learn(EVENT.as_bytes(), &[hole("one", HoleKind::Content), hole("1", HoleKind::Digits)]);
        assert_eq!(template.matches(EVENT.as_bytes()), None);
        template.learn(EVENT.as_bytes(), &holes);
        assert!(template.matches(EVENT.as_bytes()).is_some());
    }
}
