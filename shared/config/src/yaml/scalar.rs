//! What a scalar means, as PyYAML (and so LiteLLM) reads it: YAML 1.1 booleans and nulls.

/// A scalar as written.
#[derive(Clone)]
pub(crate) struct Scalar {
    /// The text, quotes and escapes resolved.
    pub(crate) text: String,
    /// Written without quotes, so that it may mean something else than its text.
    pub(crate) plain: bool,
}

/// What a scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Kind {
        if self.plain { plain_kind(&self.text) } else { Kind::Text }
    }
}

fn plain_kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        _ => match boolean(text) {
            Some(value) => Kind::Bool(value),
            None if number(text).is_some() => Kind::Number,
            None => Kind::Text,
        },
    }
}

/// A boolean in YAML 1.1's spellings.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The JSON spelling of a decimal number; as written where that is JSON already.
///
/// `1e-6` counts as a number although PyYAML takes it for a text: nobody means the text. Octal, hexadecimal and
/// base 60 are texts here, although PyYAML takes them for numbers: nobody means those.
pub(crate) fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    let mantissa = decimal(mantissa)?;
    Some(match exponent.and_then(|exponent| digits.get(digits.len() - exponent.len() - 1..)) {
        Some(exponent) => format!("{sign}{mantissa}{exponent}"),
        None => format!("{sign}{mantissa}"),
    })
}

/// `1_000`, `.5` and `5.` become `1000`, `0.5` and `5.0`; a leading zero makes a text.
fn decimal(text: &str) -> Option<String> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let count = |part: &str| part.bytes().filter(u8::is_ascii_digit).count();
    let fraction_text = fraction.unwrap_or_default();
    if !digits(whole) || !digits(fraction_text) || count(whole) + count(fraction_text) == 0 {
        return None;
    }
    if whole.starts_with('_') || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let whole = if count(whole) == 0 { "0".to_owned() } else { whole.replace('_', "") };
    Some(match fraction {
        None => whole,
        Some(fraction) if count(fraction) == 0 => format!("{whole}.0"),
        Some(fraction) => format!("{whole}.{}", fraction.replace('_', "")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_pyyaml_says() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("null", Kind::Null),
            ("yes", Kind::Bool(true)),
            ("Off", Kind::Bool(false)),
            ("y", Kind::Text),
            ("60", Kind::Number),
            ("-1.5", Kind::Number),
            ("1e-6", Kind::Number),
            ("1_000", Kind::Number),
            (".inf", Kind::Text),
            ("0x10", Kind::Text),
            ("010", Kind::Text),
            ("1:30", Kind::Text),
            ("2024-02-01", Kind::Text),
            ("1.2.3", Kind::Text),
            ("_", Kind::Text),
            ("-", Kind::Text),
            (".", Kind::Text),
        ] {
            assert_eq!(Scalar { text: text.into(), plain: true }.kind(), kind, "{text}");
            assert_eq!(Scalar { text: text.into(), plain: false }.kind(), Kind::Text, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_spelling_where_it_is_json() {
        for (text, json) in [
            ("0.70", "0.70"),
            ("1e-6", "1e-6"),
            ("2.5E+10", "2.5E+10"),
            ("-0", "-0"),
            ("+5", "5"),
            ("1_000", "1000"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("5.e3", "5.0e3"),
        ] {
            let spelled = number(text).unwrap();
            assert_eq!(spelled, json);
            assert!(serde_json::from_str::<serde_json::Value>(&spelled).is_ok(), "{spelled}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_counts_as_a_number_is_json(text in "[-+0-9_.eE]{0,12}") {
            if let Some(json) = number(&text) {
                proptest::prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok(), "{}", json);
            }
        }
    }
}
