//! What a client of Google's makes of an answer.

use serde_json::{Value, json};

use super::seen::{Seen, text};

pub(crate) fn whole(body: &Value) -> Seen {
    let mut seen = Seen { over: true, ..Seen::default() };
    seen.event(body);
    seen
}

/// Every event has the shape of an answer. A stream is over when it says why.
pub(crate) fn stream(events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    for event in events {
        if event.get("error").is_some() {
            seen.error = true;
            continue;
        }
        assert!(seen.finish.is_none(), "something after the finish reason");
        seen.event(event);
    }
    seen.over = seen.finish.is_some();
    seen
}

impl Seen {
    fn event(&mut self, body: &Value) {
        self.model = text(&body["modelVersion"]);
        self.usage = usage(&body["usageMetadata"]).or(self.usage);
        for candidate in body["candidates"].as_array().into_iter().flatten() {
            if candidate["index"] != 0 {
                continue;
            }
            assert_eq!(candidate["content"]["role"], "model");
            for part in candidate["content"]["parts"].as_array().unwrap() {
                self.part(part);
            }
            self.finish = candidate["finishReason"].as_str().map(str::to_owned);
        }
    }

    fn part(&mut self, part: &Value) {
        self.signatures.extend(part["thoughtSignature"].as_str().map(str::to_owned));
        if part["functionCall"].is_object() {
            let call = &part["functionCall"];
            assert!(call["args"].is_object());
            self.tools.push((text(&call["name"]), call["args"].to_string()));
        } else if part["thought"] == json!(true) {
            self.reasoning.push_str(&text(&part["text"]));
        } else if part["inlineData"].is_null() {
            self.text.push_str(part["text"].as_str().unwrap());
        }
    }
}

/// Google does not tell what was written to a cache.
fn usage(metadata: &Value) -> Option<[u64; 4]> {
    let count = |name: &str| metadata[name].as_u64().unwrap_or_default();
    metadata.is_object().then(|| {
        let output = count("candidatesTokenCount") + count("thoughtsTokenCount");
        assert_eq!(count("totalTokenCount"), count("promptTokenCount") + output);
        [count("promptTokenCount"), output, count("cachedContentTokenCount"), 0]
    })
}
