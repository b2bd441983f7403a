//! Reading request JSON as a provider does: a member that occurs twice is no error, the last one counts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of one JSON object, values unparsed.
#[derive(Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` for anything else.
    pub(crate) fn of(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The text of a member's value; the last one counts.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// As [`Members::raw`], but `null` counts as absent.
    pub(crate) fn present(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|&raw| raw != "null")
    }

    /// A member of a given type; absent, null and any other type are `None`.
    pub(crate) fn get<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.present(name)?).ok()
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Members<'a>> {
        Members::of(self.present(name)?)
    }

    /// A member that is an array of objects (elements that are none are left out).
    pub(crate) fn objects(&self, name: &str) -> Vec<Members<'a>> {
        let elements: Vec<&'a RawValue> = self.get(name).unwrap_or_default();
        elements.into_iter().filter_map(|element| Members::of(element.get())).collect()
    }

    /// Names and raw values, in the order of the body.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.get()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_members_counts_and_escapes_are_read() {
        let members = Members::of(r#"{"a":1,"b":{"c":[{"d":true},7]},"\u0061":2,"n":null}"#).unwrap();
        assert_eq!(members.get::<u64>("a"), Some(2));
        assert_eq!(members.raw("n"), Some("null"));
        assert_eq!(members.present("n"), None);
        assert_eq!(members.object("b").unwrap().objects("c").len(), 1);
        assert_eq!(members.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "a", "n"]);
        assert!(Members::of("[]").is_none() && Members::of("{\"a\":").is_none());
    }
}
