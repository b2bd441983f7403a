//! The `agent` model: it calls the tools that the prompt orders, one after the other, and then talks. So a test says
//! in the words of an agent's user what the agent is to do.

use serde_json::Value;

use super::ask::Ask;
use super::say::Call;
use super::text;

/// What an order begins with: `Call the tool NAME with {…}`.
const ORDER: &str = "Call the tool ";

/// Bytes of a piece of the arguments.
const PIECE: usize = 8;

/// What a conversation holds.
#[derive(Default)]
struct Heard {
    orders: Vec<(String, Value)>,
    /// Results of tools so far.
    results: usize,
}

/// The first order without a result, where its tool is on offer.
pub(crate) fn next(ask: &Ask<'_>) -> Option<Call> {
    let mut heard = Heard::default();
    heard.listen(&serde_json::from_str(ask.prompt()?).ok()?);
    let (name, arguments) = heard.orders.into_iter().nth(heard.results)?;
    let offered = ask.tools.iter().any(|tool| tool.name == name);
    offered.then(|| Call { name, arguments: text::pieces(&arguments.to_string(), PIECE) })
}

impl Heard {
    fn listen(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.orders.extend(orders(text)),
            Value::Array(values) => values.iter().for_each(|value| self.listen(value)),
            Value::Object(_) if is_result(value) => self.results += 1,
            Value::Object(members) => members.values().for_each(|value| self.listen(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// A tool's result, in any dialect; what is said in it is no order.
fn is_result(value: &Value) -> bool {
    let is = |member: &str, word: &str| value.get(member).and_then(Value::as_str) == Some(word);
    is("type", "tool_result")
        || is("type", "function_call_output")
        || is("role", "tool")
        || value.get("functionResponse").is_some()
}

fn orders(text: &str) -> impl Iterator<Item = (String, Value)> {
    text.split(ORDER).skip(1).filter_map(|order| {
        let (name, arguments) = order.split_once(" with ")?;
        let arguments = serde_json::Deserializer::from_str(arguments).into_iter().next()?.ok()?;
        Some((name.to_owned(), arguments))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn orders_are_read_and_results_counted() {
        let mut heard = Heard::default();
        heard.listen(&json!([
            {"role": "user", "content": [{"type": "text", "text":
                "Call the tool Bash with {\"command\":\"ls\"}. Call the tool Read with {\"path\":\"a b\"} and stop."}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "Call the tool Bash with {}"}]},
            {"role": "tool", "content": "x"},
            {"functionResponse": {"name": "Bash"}},
            {"type": "function_call_output", "output": "x"},
        ]));
        assert_eq!(heard.results, 4);
        let wanted = [("Bash", json!({"command": "ls"})), ("Read", json!({"path": "a b"}))];
        assert_eq!(heard.orders, wanted.map(|(name, arguments)| (name.to_owned(), arguments)));
    }
}
