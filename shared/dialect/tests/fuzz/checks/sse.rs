//! The framing of server-sent events beside the plainest reading of the rules.

use bulkhead_dialect::sse::Framer;

use super::cut::ways;

/// Name and data of an event that has data.
type Held = (Option<Vec<u8>>, Vec<u8>);

pub(crate) fn check(input: &[u8]) {
    let [whole, bytes, odd] = ways(input).map(|chunks| framed(&chunks));
    assert_eq!(whole, bytes);
    assert_eq!(whole, odd);
    let (raw, held) = whole;
    assert_eq!(raw, input);
    assert_eq!(held, plain(input));
}

/// All bytes, and what the events hold.
fn framed(chunks: &[&[u8]]) -> (Vec<u8>, Vec<Held>) {
    let mut framer = Framer::new(usize::MAX);
    let (mut raw, mut held) = (Vec::new(), Vec::new());
    for chunk in chunks {
        framer.push(chunk.to_vec().into());
        while let Some(frame) = framer.next().unwrap() {
            raw.extend_from_slice(frame.raw());
            if let Some(range) = frame.data_range() {
                assert_eq!(frame.raw()[range], *frame.data());
            }
            if !frame.data().is_empty() {
                held.push((frame.event().map(|name| name.as_bytes().to_vec()), frame.data().into_owned()));
            }
        }
    }
    raw.extend_from_slice(framer.leftover());
    (raw, held)
}

/// Line by line, as the rules are written.
fn plain(input: &[u8]) -> Vec<Held> {
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let mut all = Vec::new();
    let (mut name, mut data): (Option<Vec<u8>>, Vec<Vec<u8>>) = (None, Vec::new());
    let (mut line, mut at) = (Vec::new(), 0);
    while let Some(byte) = input.get(at) {
        at += 1;
        if !matches!(byte, b'\n' | b'\r') {
            line.push(*byte);
            continue;
        }
        if *byte == b'\r' && input.get(at) == Some(&b'\n') {
            at += 1;
        } else if *byte == b'\r' && at == input.len() && line.is_empty() {
            // Whether a line feed belongs to this is not known yet, so the event is not over.
            break;
        }
        if line.is_empty() {
            let data = std::mem::take(&mut data).join(&b'\n');
            let name = name.take().filter(|name| std::str::from_utf8(name).is_ok());
            if !data.is_empty() {
                all.push((name, data));
            }
        }
        let field = std::mem::take(&mut line);
        let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
        let value = field.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        match &field[..colon] {
            b"data" => data.push(value),
            b"event" => name = Some(value),
            _ => {}
        }
    }
    all
}
