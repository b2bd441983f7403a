//! The text that a tool is called with which takes plain text, out of the arguments that stand for it: `{"input": "…"}`.

use super::super::check;
use super::super::json::get_text;

/// The member that holds the text.
pub(super) const INPUT: &str = "input";

/// More that does not begin as it should is looked at when it is whole.
const LONGEST_BEGINNING: usize = 64;

/// A text on its way.
#[derive(Default)]
pub(super) struct PlainInput {
    /// What came and was not told: the beginning, or an escape that is not whole.
    kept: String,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Within,
    Over,
    /// It began otherwise.
    Other,
}

impl PlainInput {
    /// More of the arguments; what of the text is known with them.
    pub(super) fn feed(&mut self, arguments: &str) -> String {
        if self.state == State::Over {
            return String::new();
        }
        self.kept.push_str(arguments);
        if self.state == State::Before {
            match text_start(&self.kept) {
                Some(start) => {
                    self.kept.drain(..start);
                    self.state = State::Within;
                }
                None if self.kept.len() > LONGEST_BEGINNING => self.state = State::Other,
                None => {}
            }
        }
        if self.state == State::Within { self.decode() } else { String::new() }
    }

    /// The arguments are whole; what was not told. Those that are something else are the text themselves.
    pub(super) fn rest(&mut self) -> String {
        let kept = std::mem::take(&mut self.kept);
        match self.state {
            State::Within | State::Over => String::new(),
            State::Before | State::Other if kept.trim().is_empty() || kept.trim() == "{}" => String::new(),
            State::Before | State::Other => {
                let is_json = check(kept.as_bytes()).is_ok();
                let text = get_text(kept.as_bytes(), INPUT).filter(|_| is_json).map(String::from);
                text.unwrap_or(kept)
            }
        }
    }

    /// Takes what is whole out of what was kept.
    fn decode(&mut self) -> String {
        let mut text = String::with_capacity(self.kept.len());
        let mut rest = self.kept.as_str();
        loop {
            let Some(at) = rest.find(['"', '\\']) else {
                text.push_str(rest);
                rest = "";
                break;
            };
            let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
            text.push_str(plain);
            if special.starts_with('"') {
                self.state = State::Over;
                rest = "";
                break;
            }
            let Some((letter, after)) = unescape(special) else {
                rest = special;
                break;
            };
            text.push(letter);
            rest = after;
        }
        self.kept = rest.to_owned();
        text
    }
}

/// Where the text begins, after its quote.
fn text_start(arguments: &str) -> Option<usize> {
    let name = arguments.trim_start().strip_prefix('{')?.trim_start().strip_prefix('"')?;
    let value = name.strip_prefix(INPUT)?.strip_prefix('"')?.trim_start().strip_prefix(':')?;
    Some(arguments.len() - value.trim_start().strip_prefix('"')?.len())
}

/// The letter of the escape that a text begins with, and what follows; `None` where more has to come.
fn unescape(text: &str) -> Option<(char, &str)> {
    let after = text.get(2..)?;
    let letter = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unescape_unit(after),
        other => char::from(*other),
    };
    Some((letter, after))
}

/// The letter of four digits, or of two escapes that are one letter together.
fn unescape_unit(digits: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let after = digits.get(4..)?;
    let first = unit(digits).unwrap_or(0xfffd);
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after));
    }
    let is_cut = after.len() < 6 && "\\u".starts_with(after.get(..2).unwrap_or(after));
    if is_cut {
        return None;
    }
    let second = after.strip_prefix("\\u").and_then(unit).filter(|second| (0xdc00..0xe000).contains(second));
    match second {
        Some(second) => {
            let letter = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            Some((letter.unwrap_or(char::REPLACEMENT_CHARACTER), after.get(6..).unwrap_or_default()))
        }
        None => Some((char::REPLACEMENT_CHARACTER, after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let mut input = PlainInput::default();
        let mut text: String = pieces.into_iter().map(|piece| input.feed(piece.as_ref())).collect();
        text.push_str(&input.rest());
        text
    }

    #[test]
    fn the_text_is_the_same_wherever_it_is_cut() {
        let text = "*** Begin Patch\n+\t\"é\" \\ 😀\u{1}\r\n*** End Patch";
        for json in [
            serde_json::json!({"input": text}).to_string(),
            format!(" {{ \"input\" : {} }} ", serde_json::to_string(text).unwrap()),
            r#"{"input":"*** Begin Patch\n+\t\"\u00e9\" \\ \ud83d\ude00\u0001\r\n*** End Patch"}"#.to_owned(),
            text.to_owned(),
            serde_json::json!({"why": "because", "more": "x".repeat(80), "input": text}).to_string(),
        ] {
            let letters: Vec<String> = json.chars().map(String::from).collect();
            assert_eq!(fed(&letters), text, "{json}");
            for at in 0..=letters.len() {
                let (one, other) = letters.split_at(at);
                assert_eq!(fed([one.concat(), other.concat()]), text, "{json} at {at}");
            }
        }
    }

    #[test]
    fn what_is_told_is_told_at_once() {
        let mut input = PlainInput::default();
        assert_eq!(input.feed("{\"input\":\"ab"), "ab");
        assert_eq!(input.feed("c\\"), "c");
        assert_eq!(input.feed("nd\"}"), "\nd");
        assert_eq!(input.rest(), "");
    }

    #[test]
    fn what_has_no_text_has_none() {
        for none in ["", "{}", " {} ", r#"{"input":""}"#] {
            assert_eq!(fed([none]), "", "{none}");
        }
        assert_eq!(fed([r#"{"input":"\ud83d x\ude00"}"#]), "\u{fffd} x\u{fffd}");
        assert_eq!(fed([r#"{"input":7}"#]), r#"{"input":7}"#);
    }
}
