//! Bodies of requests: typed fields, everything that is wrong with them at once, and their JSON schema.
//!
//! A field that is absent or null is not said. A field that would restrict and that nobody enforces is refused by its
//! name (design §1.9); an unknown one is refused too, because it may be a restriction misspelt.

use serde_json::{Map, Value, json};

use super::field::{Field, Wrong};

/// Why a body is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// FastAPI's 422.
    Invalid(Vec<Wrong>),
    /// A restriction that is not enforced, by its name.
    Unenforced(String),
}

/// A body with named fields.
pub(crate) trait Body: Sized {
    /// Names and schemas.
    fn fields() -> Vec<(&'static str, Value)>;
    /// Restricting, and not enforced.
    fn refused() -> Vec<&'static str>;
    /// Harmless, and without effect.
    fn ignored() -> Vec<&'static str>;
    /// Takes its fields out.
    fn take(from: &mut Members) -> Self;

    /// A body in which nothing is said.
    fn nothing() -> Self {
        Self::take(&mut Members { left: Map::new(), wrong: Vec::new() })
    }

    /// Reads a body.
    fn from_value(value: &Value) -> Result<Self, Refused> {
        let Value::Object(members) = value else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            return Err(Refused::Invalid(vec![Wrong::new("model_attributes_type", message)]));
        };
        let mut members = Members { left: members.clone(), wrong: Vec::new() };
        let body = Self::take(&mut members);
        for name in Self::refused() {
            if members.left.remove(name).is_some_and(|value| !is_empty(&value)) {
                return Err(Refused::Unenforced(name.to_owned()));
            }
        }
        for name in Self::ignored() {
            members.left.remove(name);
        }
        let Members { left, mut wrong } = members;
        let fields = Self::fields();
        let unknown = |name: &String| {
            let near = did_you_mean(name, fields.iter().map(|(name, _)| *name).chain(Self::refused()));
            Wrong::new("extra_forbidden", format!("Extra inputs are not permitted{near}"))
                .below(name.as_str())
        };
        wrong.extend(left.keys().map(unknown));
        if wrong.is_empty() { Ok(body) } else { Err(Refused::Invalid(wrong)) }
    }

    /// Its JSON schema.
    fn schema() -> Value {
        let properties: Map<String, Value> =
            Self::fields().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

/// The members of an object that are not taken yet.
pub(crate) struct Members {
    left: Map<String, Value>,
    wrong: Vec<Wrong>,
}

impl Members {
    pub(crate) fn take<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        T::read(&value).map_err(|wrong| self.wrong.push(wrong.below(name))).ok()
    }
}

/// True for what says nothing.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// `; did you mean …` or nothing.
pub(crate) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    bulkhead_config::nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// A body: its fields, those of other bodies, and the names that are refused and ignored.
macro_rules! body {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $($field:ident: $kind:ty),* $(,)?
            $(; with $inner:ident: $other:ty)?
        }
        $(refused [$($refused:literal)*])?
        $(ignored [$($ignored:literal)*])?
    ) => {
        $(#[doc = $doc])+
        pub(crate) struct $name {
            $(pub(crate) $field: Option<$kind>,)*
            $(pub(crate) $inner: $other,)?
        }

        impl $crate::domain::body::Body for $name {
            fn fields() -> Vec<(&'static str, serde_json::Value)> {
                let own = [$((stringify!($field), <$kind as $crate::domain::field::Field>::schema())),*];
                own.into_iter()$(.chain(<$other as $crate::domain::body::Body>::fields()))?.collect()
            }

            fn refused() -> Vec<&'static str> {
                let own: &[&str] = &[$($($refused),*)?];
                own.iter().copied()$(.chain(<$other as $crate::domain::body::Body>::refused()))?.collect()
            }

            fn ignored() -> Vec<&'static str> {
                let own: &[&str] = &[$($($ignored),*)?];
                own.iter().copied()$(.chain(<$other as $crate::domain::body::Body>::ignored()))?.collect()
            }

            fn take(from: &mut $crate::domain::body::Members) -> Self {
                Self {
                    $($field: from.take(stringify!($field)),)*
                    $($inner: <$other as $crate::domain::body::Body>::take(from),)?
                }
            }
        }

        impl $crate::domain::field::Field for $name {
            fn read(value: &serde_json::Value) -> Result<Self, $crate::domain::field::Wrong> {
                use $crate::domain::body::{Body, Refused};
                use $crate::domain::field::Wrong;
                <Self as Body>::from_value(value).map_err(|refused| match refused {
                    Refused::Invalid(mut wrong) => {
                        if wrong.is_empty() { Wrong::value("not understood") } else { wrong.swap_remove(0) }
                    }
                    Refused::Unenforced(name) => {
                        Wrong::value("this restricts and is not enforced by this version").below(name)
                    }
                })
            }

            fn schema() -> serde_json::Value {
                <Self as $crate::domain::body::Body>::schema()
            }
        }
    };
}
pub(crate) use body;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Name;

    body! {
        /// Of the tests.
        Inner { models: Vec<Name> } refused ["guardrails"] ignored ["config"]
    }
    body! {
        /// Of the tests.
        Outer { key: Name, rpm_limit: u64; with inner: Inner } refused ["tpd_limit"]
    }

    fn wrong(value: Value) -> Vec<(Vec<Value>, &'static str, String)> {
        match Outer::from_value(&value) {
            Err(Refused::Invalid(wrong)) => {
                wrong.into_iter().map(|wrong| (wrong.at, wrong.kind, wrong.message)).collect()
            }
            Err(Refused::Unenforced(name)) => vec![(vec![], "unenforced", name)],
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = wrong(json!({"key": 7, "models": ["a", 1], "rpm_limt": 1, "other": 2}));
        let said: Vec<_> = wrong.iter().map(|(at, kind, _)| (at.clone(), *kind)).collect();
        assert_eq!(
            said,
            [
                (vec![json!("key")], "string_type"),
                (vec![json!("models"), json!(1)], "string_type"),
                (vec![json!("other")], "extra_forbidden"),
                (vec![json!("rpm_limt")], "extra_forbidden"),
            ]
        );
        assert!(wrong[3].2.ends_with("did you mean `rpm_limit`?"), "{}", wrong[3].2);
    }

    #[test]
    fn restrictions_that_nobody_enforces_are_refused_unless_they_say_nothing() {
        for (value, refused) in [
            (json!({"guardrails": ["a"]}), true),
            (json!({"tpd_limit": 0}), true),
            (json!({"guardrails": [], "tpd_limit": null}), false),
            (json!({"config": {"a": 1}}), false),
        ] {
            assert_eq!(!wrong(value.clone()).is_empty(), refused, "{value}");
        }
    }

    #[test]
    fn null_says_nothing() {
        let body = Outer::from_value(&json!({"key": null, "rpm_limit": 0})).unwrap();
        assert_eq!((body.key, body.rpm_limit, body.inner.models), (None, Some(0), None));
    }
}
