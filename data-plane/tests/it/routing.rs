//! Where requests go when providers fail: other deployments, other groups, and back when they are well again.

mod catalogue;
mod cooldown;
mod fallbacks;
mod figures;
mod retries;
mod streams;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, body, canary};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{Gateway, MASTER};
use crate::upstream::{Step, Upstream, answer, chunk, stream_head};

/// What a provider's model does, request by request; the last one for all that follow.
type Plays = HashMap<String, Vec<Vec<Step>>>;

/// A gateway before a provider whose models fail as they are told.
struct Farm {
    provider: Upstream,
    plays: Arc<Mutex<Plays>>,
    gateway: Gateway,
}

/// A deployment: its group, and the provider's model, which is its id as well.
type Place = (&'static str, &'static str);

impl Farm {
    async fn start(places: &[Place], change: impl FnOnce(GatewayYaml) -> GatewayYaml) -> Self {
        let plays = Arc::<Mutex<Plays>>::default();
        let shared = plays.clone();
        let provider = Upstream::start(move |asked| {
            let model = model_of(&asked.body);
            let mut plays = shared.lock();
            let Some(list) = plays.get_mut(&model) else { return good(&asked.body) };
            if list.len() > 1 { list.remove(0) } else { list[0].clone() }
        })
        .await;
        let mut yaml = GatewayYaml::new().master_key(MASTER).retries();
        for (group, model) in places {
            yaml = yaml
                .deployment(group)
                .provider("openai")
                .model(model)
                .base(provider.base_url())
                .key(canary::OPENAI_KEY)
                .info("id", *model)
                .info("base_model", "gpt-4o");
        }
        let gateway = Gateway::with(change(yaml).text()).start().await;
        Self { provider, plays, gateway }
    }

    /// What a model does from now on, request by request.
    fn play(&self, model: &str, plays: impl IntoIterator<Item = Vec<Step>>) {
        self.plays.lock().insert(model.to_owned(), plays.into_iter().collect());
    }

    /// The model is well again.
    fn mend(&self, model: &str) {
        self.plays.lock().remove(model);
    }

    /// Requests that came to each model, in their order.
    fn came(&self) -> Vec<String> {
        self.provider.asked().iter().map(|asked| model_of(&asked.body)).collect()
    }

    async fn ask(&self, body: Value) -> Answer {
        self.gateway.call(&Request::post("/v1/chat/completions").bearer(MASTER).json(body.to_string())).await
    }

    /// A plain request to a group.
    async fn plain(&self, group: &str) -> Answer {
        self.ask(chat(group, json!({}))).await
    }
}

/// A chat request with more members.
fn chat(group: &str, more: Value) -> Value {
    let mut body = json!({"model": group, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn model_of(body: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()["model"].as_str().unwrap().to_owned()
}

fn good(asked: &str) -> Vec<Step> {
    let asked: Value = serde_json::from_str(asked).unwrap();
    if asked["stream"] == json!(true) {
        return [
            vec![Step::Send(stream_head())],
            events(3),
            vec![Step::Send(chunk(END)), Step::Send(chunk(""))],
        ]
        .concat();
    }
    let text = json!({"id": "x", "object": "chat.completion", "model": asked["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
    vec![Step::Send(answer("200 OK", &[("content-type", "application/json")], &text.to_string()))]
}

const ROLE: &str = "data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const END: &str = "data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// The role and so many pieces of content.
fn events(pieces: usize) -> Vec<Step> {
    let piece = |n: usize| {
        let data = json!({"id": "c", "model": "up", "choices": [{"index": 0, "delta": {"content": format!("<{n}>")}}]});
        Step::Send(chunk(&format!("data: {data}\n\n")))
    };
    std::iter::once(Step::Send(chunk(ROLE))).chain((0..pieces).map(piece)).collect()
}

/// An error answer.
fn refuses(status: &str, headers: &[(&str, &str)]) -> Vec<Step> {
    let text = json!({"error": {"message": "no luck", "type": "server_error"}}).to_string();
    let headers = [&[("content-type", "application/json")], headers].concat();
    vec![Step::Send(answer(status, &headers, &text))]
}

fn failing() -> Vec<Step> {
    refuses("503 No", &[])
}

/// An error with this text, as OpenAI has it.
fn says(status: &str, code: &str, message: &str) -> Vec<Step> {
    let text =
        json!({"error": {"message": message, "type": "invalid_request_error", "code": code}}).to_string();
    vec![Step::Send(answer(status, &[("content-type", "application/json")], &text))]
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.header(name).unwrap_or("none")
}

/// The pause of a test that waits for something to be over.
const A_MOMENT: Duration = Duration::from_millis(20);
