//! Server-sent events, read by the book and by nothing else.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` field, where there was one.
    pub event: Option<String>,
    /// The `data:` lines, joined with line feeds.
    pub data: String,
}

impl SseEvent {
    /// The data as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

/// The complete events of a stream. Comments are left out, and so is what follows the last empty line.
pub fn events(stream: &[u8]) -> Vec<SseEvent> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let (mut name, mut data): (Option<String>, Vec<&str>) = (None, Vec::new());
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What follows the last line break is no line yet.
    lines.pop();
    for line in lines {
        if line.is_empty() {
            let event = name.take();
            if !data.is_empty() {
                events.push(SseEvent { event, data: data.join("\n") });
                data.clear();
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = Some(value.to_owned()),
            "data" => data.push(value),
            _ => {}
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_by_the_book() {
        let stream = b": hi\n\nevent: a\ndata: 1\ndata:2\n\ndata: x\r\n\r\ndata: torn";
        let event = |event: Option<&str>, data: &str| SseEvent {
            event: event.map(str::to_owned),
            data: data.to_owned(),
        };
        assert_eq!(events(stream), [event(Some("a"), "1\n2"), event(None, "x")]);
        assert_eq!(events(b""), []);
    }
}
