//! Changes that keep JSON what it is. Bytes changed at random hardly ever are JSON again, and then only the scanner is
//! tried.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::Value;

/// Values that are often treated apart.
const ODD: [&str; 20] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "1.5",
    "1e400",
    "18446744073709551616",
    "\"\"",
    "\"{}\"",
    "\"[\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    "\"\\ud800\"",
    "\"data:image/png;base64,AA==\"",
    "\"text\"",
];

/// Changes an input in place and tells its new length. Every other time it is libFuzzer that does.
pub(crate) fn change(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed));
    let changed = if random.below(2) == 0 { None } else { structured(&data[..size], &mut random) };
    match changed {
        Some(changed) if changed.len() <= max_size && changed.len() <= data.len() => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
}

/// A JSON document with another part, or events of which one has, is twice there, gone or elsewhere.
fn structured(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    if let Ok(body) = serde_json::from_slice::<Value>(input) {
        return serde_json::to_vec(&mutated(body, random)).ok();
    }
    let text = std::str::from_utf8(input).ok()?;
    let mut events: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
    let at = random.below(events.len());
    let other = random.below(events.len());
    match random.below(6) {
        0 => events.insert(other, events.get(at)?.clone()),
        1 => drop((at < events.len()).then(|| events.remove(at))),
        2 if at < events.len() => events.swap(at, other),
        _ => {
            let event = events.get_mut(at)?;
            let start = event.find("data: ")? + "data: ".len();
            let body = serde_json::from_str(event[start..].trim_end()).ok()?;
            let changed = serde_json::to_string(&mutated(body, random)).ok()?;
            event.truncate(start);
            event.push_str(&changed);
            event.push_str("\n\n");
        }
    }
    Some(events.concat().into_bytes())
}

fn mutated(mut body: Value, random: &mut Random) -> Value {
    let count = parts(&body);
    let mut donor = part(&mut body, random.below(count)).map_or(Value::Null, |value| value.clone());
    if random.below(2) == 0 {
        donor = serde_json::from_str(ODD[random.below(ODD.len())]).unwrap_or_default();
    }
    let Some(place) = part(&mut body, random.below(count)) else { return body };
    match (random.below(4), place) {
        (0, Value::Array(list)) => list.insert(random.below(list.len() + 1), donor),
        (1, Value::Array(list)) if !list.is_empty() => drop(list.remove(random.below(list.len()))),
        (0, Value::Object(map)) if !map.is_empty() => {
            let name = map.keys().nth(random.below(map.len())).cloned().unwrap_or_default();
            map.remove(&name);
        }
        (1, Value::Object(map)) if !map.is_empty() => {
            let name = map.keys().nth(random.below(map.len())).cloned().unwrap_or_default();
            map.insert(name, donor);
        }
        // Members that this object does not have, but another one does.
        (2, Value::Object(map)) => {
            if let Value::Object(other) = donor {
                map.extend(other);
            }
        }
        (_, place) => *place = donor,
    }
    body
}

fn parts(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(parts).sum(),
        Value::Object(map) => map.values().map(parts).sum(),
        _ => 0,
    }
}

fn part(value: &mut Value, mut at: usize) -> Option<&mut Value> {
    if at == 0 {
        return Some(value);
    }
    at -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => return None,
    };
    for value in inner {
        let count = parts(value);
        if at < count {
            return part(value, at);
        }
        at -= count;
    }
    None
}

/// The same seed, the same changes.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}
