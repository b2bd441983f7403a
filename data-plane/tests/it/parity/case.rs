//! Requests of clients, each to several models.

use bulkhead_testkit::client::Request;
use bulkhead_testkit::{Recording, corpus, recordings};
use serde_json::{Value, json};

use super::{folder, read_json};
use crate::support::MASTER;

/// One request of one client to one model.
pub(super) struct Case {
    /// Client, model and name; also the id of the call.
    pub(super) id: String,
    /// The client's endpoint, by the name of its file.
    pub(super) client: String,
    pub(super) model: String,
    pub(super) name: String,
    /// What the provider answers: a kind of `answers.json`.
    pub(super) answer: String,
    pub(super) streams: bool,
    path: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Case {
    /// Client and model, as reports have it.
    pub(super) fn pair(&self) -> String {
        format!("{} → {}", self.client, self.model)
    }

    pub(super) fn request(&self) -> Request {
        let request = Request::post(&self.path).bearer(MASTER).header("x-litellm-call-id", &self.id);
        let named = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        named.json(self.body.to_string())
    }
}

/// Every case of every file, in order.
pub(super) fn all() -> Vec<Case> {
    let recordings = recordings(&corpus());
    let files = std::fs::read_dir(folder().join("cases")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names.iter().flat_map(|client| of_client(client, &recordings)).collect()
}

fn of_client(client: &str, recordings: &[Recording]) -> Vec<Case> {
    let file = read_json(&format!("cases/{client}.json"));
    let endpoint = text(&file, "endpoint");
    let mut cases = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let models = case.get("models").unwrap_or(&file["models"]).as_array().unwrap();
        for model in models {
            cases.push(one(client, &endpoint, model.as_str().unwrap(), case, recordings));
        }
    }
    cases
}

fn one(client: &str, endpoint: &str, model: &str, case: &Value, recordings: &[Recording]) -> Case {
    let name = text(case, "name");
    let mut body = match case.get("recorded") {
        Some(id) => recorded(id.as_str().unwrap(), recordings),
        None => case["body"].clone(),
    };
    let action = case.get("action").map(|action| action.as_str().unwrap());
    let path = match action {
        Some(action) => format!("{endpoint}{model}:{action}"),
        None => {
            body["model"] = json!(model);
            endpoint.to_owned()
        }
    };
    let headers = case.get("headers").and_then(Value::as_object).into_iter().flatten();
    Case {
        id: format!("{client}-{model}-{name}"),
        client: client.to_owned(),
        model: model.to_owned(),
        answer: case.get("answer").map_or("text", |answer| answer.as_str().unwrap()).to_owned(),
        streams: body["stream"] == true || action.is_some_and(|action| action.starts_with("stream")),
        name,
        path,
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
        body,
    }
}

fn recorded(id: &str, recordings: &[Recording]) -> Value {
    let recording = recordings.iter().find(|recording| recording.id == id);
    let recording = recording.unwrap_or_else(|| panic!("no recording {id}"));
    serde_json::from_slice(&recording.request).unwrap()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member}")).to_owned()
}
