//! The scanner and the splice against a tree of values.
#![expect(clippy::string_slice, reason = "the offsets are those of quotes and brackets")]

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::{Deserialize, IgnoredAny};
use serde_json::{Map, Value};

use super::*;

/// Any JSON value, not deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        "[a-z\"\\\\/\n\u{e9}\u{1f600}\u{7f}]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(name(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", "[a-z_\u{e9}\u{1f600}\"\\\\\n]{0,8}"]
}

/// Any JSON object.
pub(super) fn object() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(name(), value(), 0..8)
        .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>()))
}

/// A name spelled in one of three ways.
fn spelled(name: &str, how: u8) -> String {
    let plain = |text: &str| Value::from(text).to_string();
    if how == 0 {
        return plain(name);
    }
    let mut text = String::from("\"");
    for character in name.chars() {
        if how == 2 && !character.is_ascii_alphabetic() {
            text.push_str(
                plain(&character.to_string()).strip_prefix('"').unwrap().strip_suffix('"').unwrap(),
            );
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").unwrap();
        }
    }
    text.push('"');
    text
}

/// An object as text with white space anywhere, members possibly repeated, in an order of its own.
#[derive(Debug, Clone)]
struct Document {
    members: Vec<(String, u8, String)>,
    space: Vec<&'static str>,
}

impl Document {
    fn text(&self) -> String {
        let mut spaces = self.space.iter().cycle();
        let mut space = || *spaces.next().unwrap_or(&"");
        let mut text = format!("{}{{", space());
        for (index, (name, how, value)) in self.members.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (a, b, c, d) = (space(), space(), space(), space());
            write!(text, "{comma}{a}{}{b}:{c}{value}{d}", spelled(name, *how)).unwrap();
        }
        if self.members.is_empty() {
            text.push_str(space());
        }
        text + "}" + space()
    }
}

fn raw_value() -> impl Strategy<Value = String> {
    prop_oneof![
        value().prop_map(|value| value.to_string()),
        value().prop_map(|value| serde_json::to_string_pretty(&value).unwrap()),
        prop_oneof![
            Just("1.0"),
            Just("1e5"),
            Just("-0"),
            Just("-0.0E+10"),
            Just("\"\\ud83d\\ude00\\/\""),
            Just("[ ]"),
            Just("{ }"),
            Just("[ 1 ,2 ]")
        ]
        .prop_map(str::to_owned),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let members = proptest::collection::vec((name(), 0u8..3, raw_value()), 0..7);
    let space = proptest::collection::vec(prop_oneof![Just(""), Just(" "), Just("\r\n\t ")], 1..5);
    (members, space).prop_map(|(members, space)| Document { members, space })
}

fn scan(chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Scan, ScanError> {
    let mut scanner = Scanner::new();
    for chunk in chunks {
        scanner.feed(chunk.as_ref())?;
    }
    scanner.finish()
}

fn body(text: &str, chunk: usize) -> Segments {
    let mut body = Segments::default();
    text.as_bytes().chunks(chunk.max(1)).for_each(|chunk| body.push(Bytes::copy_from_slice(chunk)));
    body
}

fn gathered(body: &Segments) -> String {
    String::from_utf8(body.bytes(0..body.len(), usize::MAX).unwrap().into_owned()).unwrap()
}

/// What a parser without a depth limit thinks of it.
fn is_json_object(data: &[u8]) -> bool {
    let first = data.iter().find(|byte| !b" \n\r\t".contains(byte));
    if first != Some(&b'{') || std::str::from_utf8(data).is_err() {
        return false;
    }
    let mut parser = serde_json::Deserializer::from_slice(data);
    IgnoredAny::deserialize(&mut parser).is_ok() && parser.end().is_ok()
}

fn problem(text: impl AsRef<[u8]>) -> String {
    scan([text]).unwrap_err().to_string()
}

#[test]
fn errors_say_what_and_where() {
    for (text, message) in [
        ("", "the body is empty at byte 0"),
        (" \n", "the body is empty at byte 2"),
        ("[1]", "expected '{' at byte 0"),
        ("{\"a\" 1}", "expected ':' at byte 5"),
        ("{\"a\":1,}", "expected a string at byte 7"),
        ("{,}", "expected a string or '}' at byte 1"),
        ("{\"a\":[1,]}", "expected a value at byte 8"),
        ("{\"a\":[,]}", "expected a value or ']' at byte 6"),
        ("{\"a\":}", "expected a value at byte 5"),
        ("{\"a\":1 2}", "expected ',' or '}' at byte 7"),
        ("{\"a\":[1}}", "expected ',' or ']' at byte 7"),
        ("{\"a\":01}", "expected ',' or '}' at byte 6"),
        ("{\"a\":-}", "expected a digit at byte 6"),
        ("{\"a\":1.}", "expected a digit at byte 7"),
        ("{\"a\":1e+}", "expected a digit at byte 8"),
        ("{\"a\":nul}", "expected true, false or null at byte 8"),
        ("{\"a\":\"\n\"}", "control character in a string at byte 6"),
        ("{\"a\":\"\\x\"}", "invalid escape at byte 7"),
        ("{\"a\":\"\\u12g4\"}", "invalid escape at byte 10"),
        ("{\"a\":1", "unexpected end at byte 6"),
        ("{\"a\":\"b", "unexpected end at byte 7"),
        ("{} {}", "unexpected data after the object at byte 3"),
        ("\u{feff}{}", "expected '{' at byte 0"),
    ] {
        assert_eq!(problem(text), message, "{text}");
    }
    assert_eq!(problem(b"{\"a\":\"x\xff\"}"), "invalid UTF-8 at byte 7");
    assert_eq!(problem(b"{\"a\":\"\xed\xa0\x80\"}"), "invalid UTF-8 at byte 6");
    assert_eq!(problem(b"{\"a\":\"\xe2\x82\"}"), "invalid UTF-8 at byte 6");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(scan([nested(128)]).is_ok());
    assert_eq!(problem(nested(129)), "nested deeper than 128 levels at byte 132");
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(scan([objects(128)]).is_ok());
    assert!(matches!(scan([objects(129)]), Err(ScanError { problem: ScanProblem::TooDeep, .. })));
}

#[test]
fn members_are_bounded() {
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!("\"m{index}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(scan([many(1024)]).unwrap().members().len(), 1024);
    assert!(matches!(scan([many(1025)]), Err(ScanError { problem: ScanProblem::TooManyMembers, .. })));
}

#[test]
fn an_error_stays() {
    let mut scanner = Scanner::new();
    let error = scanner.feed(b"{]").unwrap_err();
    assert_eq!(scanner.feed(b"}"), Err(error));
    assert_eq!(scanner.finish(), Err(error));
}

#[test]
fn names_are_compared_unescaped() {
    let text = r#"{"mod\u0065l":1,"model":2,"\ud83d\ude00":3,"\ud83d":4,"\ude00\ud83d":5,"mode\"l":6}"#;
    let scan = scan([text]).unwrap();
    let names: Vec<Option<&str>> = scan.members().iter().map(|member| scan.name(member)).collect();
    assert_eq!(names, [Some("model"), Some("model"), Some("😀"), None, None, Some("mode\"l")]);
    assert_eq!(scan.find("model").map(|member| member.ordinal), Some(0));
    assert_eq!(scan.all("model").count(), 2);
    assert_eq!(scan.first_duplicate(&["stream", "model"]), Some("model"));
    assert_eq!(scan.first_duplicate(&["stream", "mode\"l"]), None);
}

#[test]
fn an_oversized_name_equals_nothing() {
    let name = "n".repeat(257);
    let scan = scan([format!("{{\"{name}\":1,\"{}\":2}}", "n".repeat(256))]).unwrap();
    assert_eq!(scan.find(&name), None);
    assert_eq!(scan.find(&name[..256]).map(|member| member.ordinal), Some(1));
}

#[test]
fn small_values_are_read() {
    let text = r#"{"s":"a\u00e9","n":16.0,"t":true,"a":["x"],"bad":"\ud800","o":{}}"#;
    let (scan, body) = (scan([text]).unwrap(), body(text, 3));
    let member = |name| scan.find(name).unwrap();
    assert_eq!(member("s").string_value(&body, 20).as_deref(), Some("aé"));
    assert_eq!(member("s").string_value(&body, 8), None);
    assert_eq!(member("bad").string_value(&body, 20), None);
    assert_eq!(member("n").string_value(&body, 20), None);
    assert_eq!((member("n").u64_value(&body), member("s").u64_value(&body)), (Some(16), None));
    assert_eq!((member("t").bool_value(), member("n").bool_value()), (Some(true), None));
    assert_eq!(member("a").json_value::<Vec<String>>(&body, 20), Some(vec!["x".to_owned()]));
    assert_eq!(member("a").json_value::<u64>(&body, 20), None);
    assert_eq!(member("o").kind, Kind::Object { empty: true });
    assert_eq!((scan.open, scan.close, scan.len), (0, text.len() - 1, text.len()));
}

fn spliced(text: &str, edits: impl FnOnce(&Scan, &mut Splice<'_>)) -> String {
    let scan = scan([text]).unwrap();
    let mut splice = Splice::new(&scan);
    edits(&scan, &mut splice);
    gathered(&splice.apply(&body(text, 2)))
}

#[test]
fn edits_leave_the_rest_alone() {
    let text = "{ \"model\" : \"a\" ,\n\"n\": 1.0, \"tools\": [ 1 ] , \"empty\":[ ], \"x\\u0041\" :-0 }";
    let edited = spliced(text, |scan, splice| {
        splice.replace(scan.find("model").unwrap(), Bytes::from_static(b"\"b\""));
        splice.insert_into_array(scan.find("tools").unwrap(), Bytes::from_static(b"2,3"));
        splice.insert_into_array(scan.find("tools").unwrap(), Bytes::from_static(b"4"));
        splice.insert_into_array(scan.find("empty").unwrap(), Bytes::from_static(b"5"));
        splice.insert_into_array(scan.find("n").unwrap(), Bytes::from_static(b"6"));
        splice.append("a\"b", "{}");
    });
    assert_eq!(
        edited,
        "{ \"model\" : \"b\" ,\n\"n\": 1.0, \"tools\": [ 1 ,2,3,4] , \"empty\":[ 5], \"x\\u0041\" :-0 ,\"a\\\"b\":{}}"
    );
}

#[test]
fn parts_of_a_value_are_replaced() {
    let text = r#"{"a":[1,22,333],"b":2}"#;
    let edited = spliced(text, |scan, splice| {
        let parts = vec![
            (6..7, Bytes::from_static(b"x")),
            (7..10, Bytes::new()),
            (11..14, Bytes::from_static(b"yy")),
        ];
        splice.replace_within(scan.find("a").unwrap(), parts);
        splice.replace_within(scan.find("b").unwrap(), Vec::new());
    });
    assert_eq!(edited, r#"{"a":[x,yy],"b":2}"#);
}

#[test]
fn the_last_edit_of_a_member_counts() {
    let edited = spliced("{\"a\":[1],\"b\":2}", |scan, splice| {
        let (a, b) = (scan.find("a").unwrap(), scan.find("b").unwrap());
        splice.insert_into_array(a, Bytes::from_static(b"2"));
        splice.replace(a, Bytes::from_static(b"3"));
        splice.insert_into_array(a, Bytes::from_static(b"4"));
        splice.replace(b, Bytes::from_static(b"5"));
        splice.remove(b);
    });
    assert_eq!(edited, "{\"a\":3}");
}

#[test]
fn a_splice_without_edits_is_empty_and_changes_nothing() {
    let scan = scan(["{} "]).unwrap();
    let splice = Splice::new(&scan);
    assert!(splice.is_empty());
    assert_eq!(gathered(&splice.apply(&body("{} ", 1))), "{} ");
}

#[derive(Debug, Clone)]
enum Change {
    Keep,
    Remove,
    Replace,
    Extend,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![Just(Change::Keep), Just(Change::Remove), Just(Change::Replace), Just(Change::Extend)]
}

/// Members in order with their values as text, duplicates kept: what a tree would lose.
fn listed(text: &str) -> Vec<(String, String)> {
    let scan = scan([text]).unwrap();
    let value = |member: &Member| text[member.value.clone()].to_owned();
    scan.members().iter().map(|member| (scan.name(member).unwrap().to_owned(), value(member))).collect()
}

proptest! {
    #[test]
    fn chunking_changes_nothing(document in document(), damage in any::<(prop::sample::Index, u8, bool)>()) {
        let mut text = document.text().into_bytes();
        if damage.2 {
            let at = damage.0.index(text.len());
            text[at] = damage.1;
        }
        let whole = scan([&text]);
        prop_assert_eq!(&whole, &scan(text.chunks(1)));
        for cut in 0..=text.len() {
            prop_assert_eq!(&whole, &scan([&text[..cut], &text[cut..]]));
        }
    }

    #[test]
    fn it_accepts_what_a_parser_accepts(document in document(), damage in any::<[(prop::sample::Index, u8); 2]>()) {
        let mut text = document.text().into_bytes();
        prop_assert!(is_json_object(&text) && scan([&text]).is_ok());
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
            prop_assert_eq!(scan([&text]).is_ok(), is_json_object(&text), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn it_accepts_what_a_parser_accepts_in_odd_bytes(tail in "[\\[\\]{}:,\"\\\\ue0-9.+tru\u{e9} -]{0,12}") {
        for text in [format!("{{\"a\":{tail}"), format!("{{\"a\":\"{tail}\"}}"), format!("{{{tail}}}")] {
            prop_assert_eq!(scan([&text]).is_ok(), is_json_object(text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn spans_hold_what_the_document_holds(document in document()) {
        let text = document.text();
        let scan = scan([&text]).unwrap();
        prop_assert_eq!(scan.members().len(), document.members.len());
        for (member, (name, how, value)) in scan.members().iter().zip(&document.members) {
            prop_assert_eq!(scan.name(member), Some(name.as_str()));
            prop_assert_eq!(&text[member.key.clone()], spelled(name, *how));
            prop_assert_eq!(&text[member.value.clone()], value);
            let tree: Value = serde_json::from_str(value).unwrap();
            let kind = match &tree {
                Value::Null => Kind::Null,
                Value::Bool(true) => Kind::True,
                Value::Bool(false) => Kind::False,
                Value::Number(_) => Kind::Number,
                Value::String(_) => Kind::String,
                Value::Array(array) => Kind::Array { empty: array.is_empty() },
                Value::Object(object) => Kind::Object { empty: object.is_empty() },
            };
            prop_assert_eq!(member.kind, kind);
            prop_assert_eq!(member.json_value::<Value>(&body(&text, 7), usize::MAX), Some(tree));
        }
    }

    #[test]
    fn every_duplicate_is_found(document in document()) {
        let scan = scan([document.text()]).unwrap();
        for (name, ..) in &document.members {
            let count = document.members.iter().filter(|(other, ..)| other == name).count();
            prop_assert_eq!(scan.all(name).count(), count);
            prop_assert_eq!(scan.first_duplicate(&["\u{1}", name]), (count > 1).then_some(name.as_str()));
        }
    }

    #[test]
    fn any_set_of_edits_gives_what_the_edits_say(
        document in document(),
        changes in proptest::collection::vec(change(), 7),
        appended in proptest::collection::vec((name(), raw_value()), 0..3),
        chunk in 1usize..40,
    ) {
        let text = document.text();
        let scan = scan(text.as_bytes().chunks(chunk)).unwrap();
        let mut splice = Splice::new(&scan);
        let mut expected = Vec::new();
        for (member, change) in scan.members().iter().zip(changes) {
            let mut value = text[member.value.clone()].to_owned();
            match (change, member.kind) {
                (Change::Remove, _) => {
                    splice.remove(member);
                    continue;
                }
                (Change::Replace, _) => {
                    splice.replace(member, Bytes::from_static(b"{\"new\":[]}"));
                    value = "{\"new\":[]}".to_owned();
                }
                (Change::Extend, Kind::Array { empty }) => {
                    splice.insert_into_array(member, Bytes::from_static(b"7,[8]"));
                    value.pop();
                    value += if empty { "7,[8]]" } else { ",7,[8]]" };
                }
                _ => {}
            }
            expected.push((scan.name(member).unwrap().to_owned(), value));
        }
        for (name, value) in appended {
            splice.append(&name, &value);
            expected.push((name, value));
        }
        let edited = gathered(&splice.apply(&body(&text, chunk)));
        prop_assert!(is_json_object(edited.as_bytes()), "{edited}");
        prop_assert_eq!(listed(&edited), expected);
        // What is around the object is not the splice's.
        prop_assert_eq!(&edited[..=scan.open], &text[..=scan.open]);
        prop_assert!(edited.ends_with(&text[scan.close..]));
    }

    #[test]
    fn replacing_values_keeps_every_other_byte(document in document(), picks in proptest::collection::vec(any::<bool>(), 7)) {
        let text = document.text();
        let scan = scan([&text]).unwrap();
        let mut splice = Splice::new(&scan);
        let mut expected = text.clone();
        for (member, _) in scan.members().iter().zip(picks).filter(|(_, pick)| *pick).collect::<Vec<_>>().iter().rev() {
            splice.replace(member, Bytes::from_static(b"\"replaced\""));
            expected.replace_range(member.value.clone(), "\"replaced\"");
        }
        prop_assert_eq!(gathered(&splice.apply(&body(&text, 5))), expected);
    }
}
