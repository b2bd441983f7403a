//! Typed reading: a field knows its path and place, and says what it found where it expected something else.

use std::str::FromStr;
use std::time::Duration;

use bulkhead_model::money::MoneyError;
use bulkhead_model::{NanoUsd, PicoUsd, Secret};

use crate::accept::Accept;
use crate::environment::{Environment, variable};
use crate::problem::{Place, Report};
use crate::yaml::{Kind, Map, Node, Value, boolean, number};

/// What reading needs at every step.
pub(crate) struct Cx<'s> {
    pub(crate) env: Environment<'s>,
    pub(crate) report: Report,
    pub(crate) accept: Accept,
}

impl Cx<'_> {
    /// The value of a variable that nobody names: a default of the field with that place and path.
    pub(crate) fn default(&mut self, name: &str, place: Place, path: &str) -> Option<String> {
        self.env.get(name, place, path, &mut self.report)
    }
}

/// A mapping and the way to it.
pub(crate) struct Fields<'n> {
    pub(crate) path: String,
    pub(crate) place: Place,
    pub(crate) map: &'n Map,
}

/// A value and the way to it.
#[derive(Clone)]
pub(crate) struct Field<'n> {
    pub(crate) path: String,
    /// The place of a scalar; of a list or mapping, or where there is no value, that of the key.
    pub(crate) place: Place,
    pub(crate) node: &'n Node,
    /// The key's place.
    key: Place,
    name: String,
}

/// A scalar with its variable resolved.
pub(crate) struct Scalar {
    pub(crate) text: String,
    kind: Kind,
    /// The variable that the text came from: it may be a secret and is never shown.
    variable: Option<String>,
}

impl<'n> Fields<'n> {
    /// A field that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'n>> {
        self.declared(name).filter(|field| !field.node.is_null())
    }

    /// A field that is there, even if null.
    pub(crate) fn declared(&self, name: &str) -> Option<Field<'n>> {
        self.map.get(name).map(|entry| self.field(entry))
    }

    /// Every field that is there, null or not.
    pub(crate) fn each(&self) -> impl Iterator<Item = Field<'n>> {
        self.map.entries.iter().map(|entry| self.field(entry))
    }

    fn field(&self, entry: &'n crate::yaml::Entry) -> Field<'n> {
        let path =
            if self.path.is_empty() { entry.key.clone() } else { format!("{}.{}", self.path, entry.key) };
        let place = match &entry.value.value {
            Value::Scalar(_) if !entry.value.is_null() => entry.value.place,
            _ => entry.place,
        };
        Field { path, place, node: &entry.value, key: entry.place, name: entry.key.clone() }
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &str, example: &str, cx: &mut Cx<'_>) -> Option<Field<'n>> {
        let field = self.get(name);
        if field.is_none() {
            let place = self.declared(name).map_or(self.place, |field| field.place);
            let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
            cx.report.error(place, &path, format!("`{name}` is missing"), format!("{name}: {example}"));
        }
        field
    }
}

impl<'n> Field<'n> {
    /// The field's own name, the last part of its path.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The same field with its key's place, for problems that its value has no part in.
    pub(crate) fn at_key(&self) -> Self {
        Self { place: self.key, ..self.clone() }
    }

    /// Reports a problem with this field.
    pub(crate) fn error(&self, cx: &mut Cx<'_>, what: impl Into<String>, remedy: impl Into<String>) {
        cx.report.error(self.place, &self.path, what, remedy);
    }

    /// As [`Field::error`], as a warning.
    pub(crate) fn warn(&self, cx: &mut Cx<'_>, what: impl Into<String>, remedy: impl Into<String>) {
        cx.report.warn(self.place, &self.path, what, remedy);
    }

    fn wrong(&self, cx: &mut Cx<'_>, found: &str, expected: &str, example: &str) {
        let name = self.name.split('[').next().unwrap_or_default();
        let remedy = if name.is_empty() { example.to_owned() } else { format!("{name}: {example}") };
        self.error(cx, format!("found {found}, expected {expected}"), remedy);
    }

    /// A scalar with `os.environ/NAME` resolved.
    pub(crate) fn scalar(&self, cx: &mut Cx<'_>, expected: &str, example: &str) -> Option<Scalar> {
        let scalar = match &self.node.value {
            Value::Scalar(scalar) => scalar,
            Value::List(_) => {
                self.wrong(cx, "a list", expected, example);
                return None;
            }
            Value::Map(_) => {
                self.wrong(cx, "a mapping", expected, example);
                return None;
            }
        };
        match variable(&scalar.text) {
            Some(name) => {
                let text = cx.env.require(name, self.place, &self.path, &mut cx.report)?;
                Some(Scalar { text, kind: Kind::Text, variable: Some(name.to_owned()) })
            }
            None => Some(Scalar { text: scalar.text.clone(), kind: scalar.kind(), variable: None }),
        }
    }

    /// Reads a scalar with `read`, or says what was found instead.
    pub(crate) fn parse<T>(
        &self,
        cx: &mut Cx<'_>,
        expected: &str,
        example: &str,
        read: impl FnOnce(&Scalar) -> Option<T>,
    ) -> Option<T> {
        let scalar = self.scalar(cx, expected, example)?;
        let value = read(&scalar);
        if value.is_none() {
            self.wrong(cx, &scalar.describe(), expected, example);
        }
        value
    }

    /// A text. Numbers and dates count as their spelling: `api_version: 2024-10-21`.
    pub(crate) fn text(&self, cx: &mut Cx<'_>, example: &str) -> Option<String> {
        let read = |scalar: &Scalar| match scalar.kind {
            Kind::Text | Kind::Number if !scalar.text.trim().is_empty() => {
                Some(scalar.text.trim().to_owned())
            }
            _ => None,
        };
        self.parse(cx, "a text", example, read)
    }

    /// A text that no message quotes. Line breaks around it (from a mounted file) are cut off.
    pub(crate) fn secret(&self, cx: &mut Cx<'_>) -> Option<Secret> {
        let expected = "a text";
        let scalar = self.scalar(cx, expected, "os.environ/NAME")?;
        let value = scalar.text.trim();
        if matches!(scalar.kind, Kind::Bool(_)) {
            self.wrong(cx, "a boolean", expected, "os.environ/NAME");
            return None;
        }
        if value.is_empty() {
            return None;
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let what = "the value holds a line break or another character that no HTTP header can carry";
            self.error(
                cx,
                what,
                format!("{}: os.environ/NAME, with the bare value in the variable", self.name),
            );
            return None;
        }
        Some(Secret::new(value))
    }

    pub(crate) fn boolean(&self, cx: &mut Cx<'_>) -> Option<bool> {
        self.parse(cx, "true or false", "true", |scalar| boolean(scalar.text.trim()))
    }

    /// A whole number; `60`, `"60"`, `60.0` and `1_000` are all read.
    pub(crate) fn whole<T: FromStr>(&self, cx: &mut Cx<'_>, example: &str) -> Option<T> {
        let expected = format!("a whole number such as {example}");
        self.parse(cx, &expected, example, |scalar| whole(scalar.text.trim())?.parse().ok())
    }

    /// Seconds, above zero, as a decimal number.
    pub(crate) fn seconds(&self, cx: &mut Cx<'_>, example: &str) -> Option<Duration> {
        let expected = format!("a number of seconds above zero, such as {example}");
        self.parse(cx, &expected, example, |scalar| seconds(scalar).filter(|length| !length.is_zero()))
    }

    /// As [`Field::seconds`], where zero has a meaning.
    pub(crate) fn seconds_or_zero(&self, cx: &mut Cx<'_>, example: &str) -> Option<Duration> {
        let expected = format!("a number of seconds such as {example}, or 0");
        self.parse(cx, &expected, example, seconds)
    }

    /// A price per unit in dollars, exact.
    pub(crate) fn price(&self, cx: &mut Cx<'_>) -> Option<PicoUsd> {
        let expected = "a price in dollars per unit such as 2.5e-06";
        self.money(cx, expected, "2.5e-06", PicoUsd::from_decimal)
    }

    /// An amount in dollars, exact.
    pub(crate) fn amount(&self, cx: &mut Cx<'_>) -> Option<NanoUsd> {
        self.money(cx, "an amount in dollars such as 12.50", "12.50", NanoUsd::from_decimal)
    }

    fn money<T>(
        &self,
        cx: &mut Cx<'_>,
        expected: &str,
        example: &str,
        read: fn(&str) -> Result<T, MoneyError>,
    ) -> Option<T> {
        let scalar = self.scalar(cx, expected, example)?;
        match read(&scalar.text.trim().replace('_', "")) {
            Ok(value) => Some(value),
            Err(MoneyError::NotANumber) => {
                self.wrong(cx, &scalar.describe(), expected, example);
                None
            }
            Err(error) => {
                self.error(cx, format!("{} {error}", scalar.describe()), format!("{}: {example}", self.name));
                None
            }
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self, cx: &mut Cx<'_>, example: &str) -> Option<Vec<Field<'n>>> {
        let Value::List(items) = &self.node.value else {
            let found = self.describe(cx)?;
            self.wrong(cx, &found, "a list", example);
            return None;
        };
        let item = |(index, node): (usize, &'n Node)| Field {
            path: format!("{}[{index}]", self.path),
            place: node.place,
            node,
            key: node.place,
            name: format!("[{index}]"),
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A list of texts.
    pub(crate) fn texts(&self, cx: &mut Cx<'_>, example: &str) -> Vec<String> {
        let items = self.items(cx, &format!("[{example}]")).unwrap_or_default();
        items.iter().filter_map(|item| item.text(cx, example)).collect()
    }

    /// The texts of a list or the one text that stands for it, as they are written.
    pub(crate) fn plain_texts(&self) -> Vec<&'n str> {
        let text = |node: &'n Node| match &node.value {
            Value::Scalar(scalar) => Some(scalar.text.as_str()),
            Value::List(_) | Value::Map(_) => None,
        };
        match &self.node.value {
            Value::List(items) => items.iter().filter_map(text).collect(),
            Value::Scalar(_) | Value::Map(_) => text(self.node).into_iter().collect(),
        }
    }

    /// The fields of a mapping.
    pub(crate) fn fields(&self, cx: &mut Cx<'_>, example: &str) -> Option<Fields<'n>> {
        match &self.node.value {
            Value::Map(map) => Some(Fields { path: self.path.clone(), place: self.place, map }),
            _ => {
                let found = self.describe(cx)?;
                self.wrong(cx, &found, "a mapping", example);
                None
            }
        }
    }

    fn describe(&self, cx: &mut Cx<'_>) -> Option<String> {
        match &self.node.value {
            Value::List(_) => Some("a list".to_owned()),
            Value::Map(_) => Some("a mapping".to_owned()),
            Value::Scalar(_) if crate::mask::is_secret_name(&self.name) => Some("a text".to_owned()),
            Value::Scalar(_) => self.scalar(cx, "", "").map(|scalar| scalar.describe()),
        }
    }
}

impl Scalar {
    /// What was found, for a message. Never the value of a variable, and no more than a few words of a text.
    pub(crate) fn describe(&self) -> String {
        if let Some(name) = &self.variable {
            return format!("the value of the variable {name}");
        }
        let shown: String = self.text.chars().take(40).collect();
        let more = if shown.len() < self.text.len() { "…" } else { "" };
        match self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Number => format!("the number {shown}{more}"),
            Kind::Text => format!("text \"{}{more}\"", shown.escape_debug()),
        }
    }

    /// True for the text that comes from a variable or is written in quotes or plainly.
    pub(crate) fn is_text(&self) -> bool {
        self.kind == Kind::Text
    }

    /// A decimal number, not for money.
    pub(crate) fn decimal(&self) -> Option<f64> {
        number(self.text.trim())?.parse().ok().filter(|value: &f64| value.is_finite())
    }
}

fn seconds(scalar: &Scalar) -> Option<Duration> {
    // Above this a timer's arithmetic could overflow, and nobody waits for 30 years.
    const LONGEST: f64 = 1e9;
    let value = scalar.decimal().filter(|value| (0.0..=LONGEST).contains(value))?;
    Duration::try_from_secs_f64(value).ok()
}

/// The digits of a whole number, also where it is written as `60.0`.
fn whole(text: &str) -> Option<String> {
    let spelled = number(text)?;
    match spelled.split_once('.') {
        None => Some(spelled),
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => Some(whole.to_owned()),
        Some(_) => None,
    }
}
