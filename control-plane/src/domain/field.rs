//! Kinds of values in request bodies: how each is read, what is wrong with it in FastAPI's words, and its JSON schema.

use std::collections::BTreeMap;

use bulkhead_config::route;
use bulkhead_model::{NanoUsd, Secret, WindowLength};
use serde_json::{Map, Number, Value, json};

use super::time;

/// Longer names are no names.
const LONGEST_NAME: usize = 256;
/// Metadata goes with every usage record.
pub(crate) const LARGEST_OBJECT: usize = 64 << 10;
const MOST_ITEMS: usize = 10_000;

/// What is wrong with a value, in the form of FastAPI's `detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The way to it from the field that is read: names and places.
    pub(crate) at: Vec<Value>,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Wrong {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { at: Vec::new(), kind, message: message.into() }
    }

    /// A value of the right type that means nothing.
    pub(crate) fn value(message: impl std::fmt::Display) -> Self {
        Self::new("value_error", format!("Value error, {message}"))
    }

    pub(crate) fn below(mut self, step: impl Into<Value>) -> Self {
        self.at.insert(0, step.into());
        self
    }
}

/// A kind of value.
pub(crate) trait Field: Sized {
    fn read(value: &Value) -> Result<Self, Wrong>;
    fn schema() -> Value;
}

/// A name or an id: one line of text, never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) String);

impl Field for Name {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let text = text(value)?;
        if text.is_empty() {
            return Err(Wrong::new("string_too_short", "String should have at least 1 character"));
        }
        if text.len() > LONGEST_NAME {
            let message = format!("String should have at most {LONGEST_NAME} characters");
            return Err(Wrong::new("string_too_long", message));
        }
        if text.chars().any(char::is_control) {
            return Err(Wrong::value("control characters are not allowed here"));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Value {
        json!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME})
    }
}

/// Any text of one database field.
impl Field for String {
    fn read(value: &Value) -> Result<Self, Wrong> {
        Ok(text(value)?.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Field for Secret {
    fn read(value: &Value) -> Result<Self, Wrong> {
        text(value).map(Self::new)
    }

    fn schema() -> Value {
        json!({"type": "string", "format": "password"})
    }
}

fn text(value: &Value) -> Result<&str, Wrong> {
    let text = value.as_str().ok_or_else(|| Wrong::new("string_type", "Input should be a valid string"))?;
    match text.contains('\0') {
        true => Err(Wrong::value("a text cannot hold the character U+0000")),
        false => Ok(text),
    }
}

impl Field for bool {
    fn read(value: &Value) -> Result<Self, Wrong> {
        value.as_bool().ok_or_else(|| Wrong::new("bool_type", "Input should be a valid boolean"))
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

/// A limit: zero or more. Zero allows nothing.
impl Field for u64 {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let number = whole(value)?;
        u64::try_from(number)
            .map_err(|_| Wrong::new("greater_than_equal", "Input should be greater than or equal to 0"))
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

/// A limit of things at once.
impl Field for u32 {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let most = i32::MAX.unsigned_abs();
        let fits = u32::try_from(u64::read(value)?).ok().filter(|count| *count <= most);
        fits.ok_or_else(|| {
            Wrong::new("less_than_equal", format!("Input should be less than or equal to {most}"))
        })
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": i32::MAX})
    }
}

/// A whole number; also one in a string, as pydantic takes it.
fn whole(value: &Value) -> Result<i64, Wrong> {
    let parsed = match value {
        Value::Number(number) => integer(number),
        Value::String(text) => text.trim().parse().ok(),
        _ => return Err(Wrong::new("int_type", "Input should be a valid integer")),
    };
    parsed.ok_or_else(|| {
        Wrong::new("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
    })
}

fn integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        // `60.0` is 60 to pydantic.
        let text = number.to_string();
        text.strip_suffix(".0").and_then(|whole| whole.parse().ok())
    })
}

/// Dollars, zero or more.
impl Field for NanoUsd {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err(Wrong::new("float_type", "Input should be a valid number")),
        };
        Self::from_decimal(&text).map_err(|error| match error {
            bulkhead_model::money::MoneyError::Negative => {
                Wrong::new("greater_than_equal", "Input should be greater than or equal to 0")
            }
            bulkhead_model::money::MoneyError::NotANumber => {
                Wrong::new("float_parsing", "Input should be a valid number")
            }
            bulkhead_model::money::MoneyError::TooLarge => {
                Wrong::value("an amount is at most 9 billion dollars")
            }
        })
    }

    fn schema() -> Value {
        json!({"type": "number", "minimum": 0, "description": "US dollars"})
    }
}

/// The length of a window or a life.
impl Field for WindowLength {
    fn read(value: &Value) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(Wrong::value)
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": ["30s", "15m", "24h", "7d", "2w", "1mo"]})
    }
}

/// How long a key lives; `-1` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Forever,
    For(WindowLength),
}

impl Field for Life {
    fn read(value: &Value) -> Result<Self, Wrong> {
        if value.as_str() == Some("-1") {
            return Ok(Self::Forever);
        }
        let length = WindowLength::read(value)?;
        match time::after(bulkhead_model::Clock::System.now(), length) {
            Some(_) => Ok(Self::For(length)),
            None => Err(Wrong::value("this is longer than time is counted")),
        }
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": ["30s", "24h", "30d", "1mo", "-1"]})
    }
}

/// A route, a group of routes, or a pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteName(pub(crate) String);

impl Field for RouteName {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let Name(name) = Name::read(value)?;
        match route::is_known(&name) {
            true => Ok(Self(name)),
            false => {
                let near = super::body::did_you_mean(&name, route::GROUPS.iter().copied());
                Err(Wrong::value(format!("`{name}` is neither a route group nor a path{near}")))
            }
        }
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": ["llm_api_routes", "/v1/chat/completions"]})
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let items =
            value.as_array().ok_or_else(|| Wrong::new("list_type", "Input should be a valid list"))?;
        if items.len() > MOST_ITEMS {
            return Err(Wrong::new("too_long", format!("List should have at most {MOST_ITEMS} items")));
        }
        items
            .iter()
            .enumerate()
            .map(|(place, item)| T::read(item).map_err(|wrong| wrong.below(place)))
            .collect()
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// One or several.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMore<T>(pub(crate) Vec<T>);

impl<T: Field> Field for OneOrMore<T> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Array(_) => Vec::read(value).map(Self),
            one => T::read(one).map(|one| Self(vec![one])),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
}

/// A JSON object that is kept as it is.
impl Field for Map<String, Value> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let object = object(value)?;
        if value.to_string().len() > LARGEST_OBJECT {
            return Err(Wrong::value("this is larger than 64 KiB"));
        }
        if holds_nul(value) {
            return Err(Wrong::value("a text cannot hold the character U+0000"));
        }
        Ok(object.clone())
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": true})
    }
}

/// Names that mean other names.
impl Field for BTreeMap<String, String> {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let pair = |(name, value): (&String, &Value)| {
            let Name(key) =
                Name::read(&Value::from(name.as_str())).map_err(|wrong| wrong.below(name.as_str()))?;
            let Name(value) = Name::read(value).map_err(|wrong| wrong.below(name.as_str()))?;
            Ok((key, value))
        };
        object(value)?.iter().map(pair).collect()
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": {"type": "string"}})
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| Wrong::new("dict_type", "Input should be a valid dictionary"))
}

/// True where any text in it holds what the database cannot store.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// One of a few words.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            pub(crate) const WORDS: &[&str] = &[$($word),+];

            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) fn of(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|each| each.word() == word)
            }
        }

        impl $crate::domain::field::Field for $name {
            fn read(value: &serde_json::Value) -> Result<Self, $crate::domain::field::Wrong> {
                value.as_str().and_then(Self::of).ok_or_else(|| {
                    let words: Vec<_> = Self::WORDS.iter().map(|word| format!("'{word}'")).collect();
                    let message = match words.split_last() {
                        Some((last, [])) => format!("Input should be {last}"),
                        Some((last, rest)) => format!("Input should be {} or {last}", rest.join(", ")),
                        None => String::new(),
                    };
                    $crate::domain::field::Wrong::new("literal_error", message)
                })
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({"type": "string", "enum": Self::WORDS})
            }
        }
    };
}

pub(crate) use words;

words! {
    /// What a user may do.
    Role {
        Admin = "proxy_admin",
        Viewer = "proxy_admin_viewer",
        User = "internal_user",
        UserViewer = "internal_user_viewer",
    }
}

words! {
    /// What a member of a team is.
    TeamRole { Admin = "admin", User = "user" }
}

words! {
    /// A shorthand for `allowed_routes`.
    KeyType { LlmApi = "llm_api", Management = "management", ReadOnly = "read_only", Default = "default" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T: Field>(value: Value) -> Option<&'static str> {
        T::read(&value).err().map(|wrong| wrong.kind)
    }

    #[test]
    fn limits_are_whole_numbers_and_zero_is_one() {
        for (value, limit) in [(json!(0), 0), (json!(60), 60), (json!(60.0), 60), (json!("60"), 60)] {
            assert_eq!(u64::read(&value), Ok(limit), "{value}");
        }
        assert_eq!(kind::<u64>(json!(-1)), Some("greater_than_equal"));
        assert_eq!(kind::<u64>(json!(1.5)), Some("int_parsing"));
        assert_eq!(kind::<u64>(json!(1e30)), Some("int_parsing"));
        assert_eq!(kind::<u64>(json!(true)), Some("int_type"));
        assert_eq!(kind::<u32>(json!(u64::from(u32::MAX))), Some("less_than_equal"));
    }

    #[test]
    fn money_is_exact() {
        assert_eq!(NanoUsd::read(&json!(0.1)), Ok(NanoUsd(100_000_000)));
        assert_eq!(NanoUsd::read(&json!("12.5")), Ok(NanoUsd(12_500_000_000)));
        assert_eq!(kind::<NanoUsd>(json!(-1)), Some("greater_than_equal"));
        assert_eq!(kind::<NanoUsd>(json!(1e300)), Some("value_error"));
    }

    #[test]
    fn texts_that_the_database_or_a_header_cannot_hold_are_refused() {
        assert_eq!(kind::<Name>(json!("a\nb")), Some("value_error"));
        assert_eq!(kind::<Name>(json!("")), Some("string_too_short"));
        assert_eq!(kind::<Name>(json!("x".repeat(257))), Some("string_too_long"));
        assert_eq!(kind::<String>(json!("a\u{0}")), Some("value_error"));
        assert_eq!(kind::<Map<String, Value>>(json!({"a": [{"b": "\u{0}"}]})), Some("value_error"));
        assert_eq!(kind::<Map<String, Value>>(json!({"a": "x".repeat(LARGEST_OBJECT)})), Some("value_error"));
    }

    #[test]
    fn what_is_wrong_in_a_list_is_said_with_its_place() {
        let wrong = Vec::<Name>::read(&json!(["a", 7])).unwrap_err();
        assert_eq!((wrong.at, wrong.kind), (vec![json!(1)], "string_type"));
    }

    #[test]
    fn lives_end_or_do_not() {
        assert_eq!(Life::read(&json!("-1")), Ok(Life::Forever));
        assert_eq!(kind::<Life>(json!("1y")), Some("value_error"));
        assert_eq!(kind::<Life>(json!("4294967295mo")), Some("value_error"));
    }
}
