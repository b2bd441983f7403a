//! Wildcards: names with `*`, as LiteLLM's `openai/*`.

/// A name in which each `*` stands for any text, also the empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    parts: Box<[Box<str>]>,
}

impl Pattern {
    /// Compiles a name. Without `*` it matches only itself.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), parts: text.split('*').map(Into::into).collect() }
    }

    /// True when the name holds a `*`.
    pub fn is_wildcard(text: &str) -> bool {
        text.contains('*')
    }

    /// The name as declared.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// More literal characters make a more specific pattern; of equal ones, fewer stars do.
    pub fn specificity(&self) -> (usize, std::cmp::Reverse<usize>) {
        let literal = self.parts.iter().map(|part| part.len()).sum();
        (literal, std::cmp::Reverse(self.parts.len()))
    }

    /// True when the name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.captures(name).is_some()
    }

    /// What each `*` stood for, leftmost as short as possible.
    pub fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let (first, rest) = self.parts.split_first()?;
        let mut left = name.strip_prefix(&**first)?;
        let Some((last, middle)) = rest.split_last() else { return left.is_empty().then(Vec::new) };
        let mut captured = Vec::with_capacity(rest.len());
        for part in middle {
            let (before, after) = left.split_once(&**part)?;
            captured.push(before);
            left = after;
        }
        captured.push(left.strip_suffix(&**last)?);
        Some(captured)
    }

    /// Puts captured texts into the stars, in order; a star without a capture stays.
    pub fn fill(&self, captured: &[&str]) -> String {
        let mut out = String::with_capacity(self.text.len() + 32);
        let mut captured = captured.iter();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push_str(captured.next().copied().unwrap_or("*"));
            }
            out.push_str(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_and_capture() {
        for (pattern, name, captured) in [
            ("openai/*", "openai/gpt-4o", Some(vec!["gpt-4o"])),
            ("openai/*", "openai/", Some(vec![""])),
            ("openai/*", "anthropic/x", None),
            ("*", "anything/at-all", Some(vec!["anything/at-all"])),
            ("bedrock/us.*", "bedrock/us.claude", Some(vec!["claude"])),
            ("a*b*c", "a1b2c", Some(vec!["1", "2"])),
            ("a*b*c", "abbc", Some(vec!["", "b"])),
            ("a*a", "a", None),
            ("exact", "exact", Some(vec![])),
            ("exact", "exactly", None),
        ] {
            assert_eq!(Pattern::new(pattern).captures(name), captured, "{pattern} {name}");
        }
    }

    #[test]
    fn captures_fill_the_target() {
        assert_eq!(Pattern::new("gpt-*").fill(&["4o"]), "gpt-4o");
        assert_eq!(Pattern::new("*-x-*").fill(&["a", "b"]), "a-x-b");
        assert_eq!(Pattern::new("fixed").fill(&["a"]), "fixed");
    }

    #[test]
    fn specific_patterns_sort_above_general_ones() {
        let mut patterns = ["*", "openai/*", "openai/gpt-*"].map(Pattern::new);
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.specificity()));
        assert_eq!(patterns.map(|pattern| pattern.text().to_owned()), ["openai/gpt-*", "openai/*", "*"]);
    }

    proptest::proptest! {
        #[test]
        fn filling_with_captures_gives_the_name_back(pattern in "[ab*/]{0,8}", name in "[ab/]{0,12}") {
            let pattern = Pattern::new(&pattern);
            if let Some(captured) = pattern.captures(&name) {
                proptest::prop_assert_eq!(pattern.fill(&captured), name);
            }
        }
    }
}
