//! From pairs to a mapping: merge keys (`<<`) and duplicates.

use std::collections::HashMap;

use super::{Entry, Kind, Map, Node, Value};
use crate::problem::{Place, Report};

/// Own keys win over merged ones, an earlier source in a `<<` list over a later one, as in PyYAML. A key that is
/// written twice is an error: the second silently won in LiteLLM, which hides typing mistakes.
pub(super) fn mapping(pairs: Vec<(Node, Node)>, report: &mut Report) -> Map {
    let mut map = Map::default();
    let mut own = Vec::new();
    for (key, value) in pairs {
        match key.value {
            Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => merge(&mut map, value, report),
            Value::Scalar(scalar) if scalar.kind() != Kind::Null => {
                own.push(Entry { key: scalar.text, place: key.place, value });
            }
            _ => report.error(
                key.place,
                "",
                "a key must be a text",
                "`name: value`; a value that begins with `{` in quotes",
            ),
        }
    }
    let merged = !map.entries.is_empty();
    let mut written: HashMap<String, Place> = HashMap::new();
    for entry in own {
        match written.get(&entry.key) {
            Some(first) => {
                let first = report.line_of(*first, entry.place);
                let what = format!("`{}` is written twice in this mapping: here and in {first}", entry.key);
                report.error(entry.place, &entry.key, what, format!("`{}` once", entry.key));
            }
            None => {
                written.insert(entry.key.clone(), entry.place);
                if merged { map.put(entry) } else { map.entries.push(entry) }
            }
        }
    }
    map
}

fn merge(map: &mut Map, source: Node, report: &mut Report) {
    match source.value {
        Value::Map(source) => source.entries.into_iter().for_each(|entry| map.put(entry)),
        Value::List(sources) => sources.into_iter().rev().for_each(|source| merge(map, source, report)),
        Value::Scalar(_) => {
            let what = "`<<` merges a mapping, and this is a single value";
            report.error(source.place, "<<", what, "`<<: *name`, where `&name` stands before a mapping");
        }
    }
}
