//! "Did you mean": the nearest known name.

/// Longer names are not compared: a name of this length is a text that got into the wrong place.
const LONGEST: usize = 64;

/// The known name that is only a slip of the keyboard away.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    let near = known.into_iter().filter(|known| *known != name).map(|known| (distance(name, known), known));
    near.filter(|(distance, known)| *distance <= allowed && *distance < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `; did you mean `x`?` or nothing.
pub(crate) fn question(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Names for a message: the first few.
pub(crate) fn listed<'k>(known: impl IntoIterator<Item = &'k str>) -> String {
    const SHOWN: usize = 8;
    let mut known = known.into_iter();
    let mut names: Vec<String> = known.by_ref().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if known.next().is_some() {
        names.push("…".to_owned());
    }
    names.join(", ")
}

/// Insertions, deletions, substitutions and swaps of neighbours; case and `-` for `_` cost nothing.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars().take(LONGEST + 4).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(from != to)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_names_are_not() {
        let known = ["master_key", "database_url", "rpm", "tpm", "timeout"];
        for (name, expected) in [
            ("mastre_key", Some("master_key")),
            ("master-key", Some("master_key")),
            ("databse_url", Some("database_url")),
            ("timout", Some("timeout")),
            ("rpn", Some("rpm")),
            ("temperature", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "", 3), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
        assert!(listed(names.iter().map(String::as_str)).ends_with("`m7`, …"));
    }
}
