//! Request bodies.

use serde_json::Value;

/// A JSON object under construction. Members keep the order in which they are set.
#[derive(Debug, Clone, Default)]
pub struct Body {
    members: Vec<(String, String)>,
}

/// `/v1/chat/completions` with one user message.
pub fn chat(model: &str, prompt: &str) -> Body {
    Body::default()
        .with("model", model)
        .with("messages", serde_json::json!([{"role": "user", "content": prompt}]))
}

/// `/v1/messages` with one user message.
pub fn messages(model: &str, prompt: &str) -> Body {
    chat(model, prompt).with("max_tokens", 1024)
}

/// `/v1/completions`.
pub fn completions(model: &str, prompt: &str) -> Body {
    Body::default().with("model", model).with("prompt", prompt)
}

/// `/v1/responses`.
pub fn responses(model: &str, input: &str) -> Body {
    Body::default().with("model", model).with("input", input)
}

/// `/v1/embeddings`.
pub fn embeddings(model: &str, input: &str) -> Body {
    Body::default().with("model", model).with("input", input)
}

impl Body {
    /// Sets a member; one that is there already is replaced where it stands.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        self.raw(name, value.into().to_string())
    }

    /// Sets a member to JSON text, spelled exactly so.
    #[must_use]
    pub fn raw(mut self, name: &str, json: impl Into<String>) -> Self {
        let json = json.into();
        match self.members.iter_mut().find(|(key, _)| key == name) {
            Some((_, value)) => *value = json,
            None => self.members.push((name.to_owned(), json)),
        }
        self
    }

    /// `"stream": true`.
    #[must_use]
    pub fn stream(self) -> Self {
        self.with("stream", true)
    }

    /// A stream that ends with its usage, as OpenAI's clients ask for it.
    #[must_use]
    pub fn stream_with_usage(self) -> Self {
        self.stream().with("stream_options", serde_json::json!({"include_usage": true}))
    }

    /// One tool with a city as argument, in chat's form.
    #[must_use]
    pub fn chat_tool(self, name: &str) -> Self {
        let tool =
            serde_json::json!({"type": "function", "function": {"name": name, "parameters": city_schema()}});
        self.with("tools", Value::Array(vec![tool]))
    }

    /// One tool with a city as argument, in the form of messages.
    #[must_use]
    pub fn messages_tool(self, name: &str) -> Self {
        self.with("tools", serde_json::json!([{"name": name, "input_schema": city_schema()}]))
    }

    /// One tool with a city as argument, in the form of responses.
    #[must_use]
    pub fn responses_tool(self, name: &str) -> Self {
        self.with(
            "tools",
            serde_json::json!([{"type": "function", "name": name, "parameters": city_schema()}]),
        )
    }

    /// The JSON, compact.
    pub fn text(&self) -> String {
        let members: Vec<String> = self
            .members
            .iter()
            .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

impl From<Body> for String {
    fn from(body: Body) -> Self {
        body.text()
    }
}

fn city_schema() -> Value {
    serde_json::json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_and_spelling() {
        let body = chat("ok", "hi").raw("temperature", "1.50").stream().with("model", "gpt-4o");
        let text = r#"{"model":"gpt-4o","messages":[{"content":"hi","role":"user"}],"temperature":1.50,"stream":true}"#;
        assert_eq!(body.text(), text);
    }
}
