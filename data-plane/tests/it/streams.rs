//! Streams as a client meets them, in every dialect: whole, honest about failures, alive, and stopped when it leaves.

mod commit;
mod cuts;
mod leaving;
mod reuse;
mod silence;
mod usage;
mod whole;

use std::sync::Arc;

use bulkhead_testkit::client::{Answer, Request};
use bulkhead_testkit::{GatewayYaml, body, canary};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::support::{Gateway, MASTER};
use crate::upstream::{Step, Upstream, chunk, stream_head};

/// A stream in the parts that matter, as a provider sends it. `@` stands where it names its model.
struct Talk {
    path: &'static str,
    /// The group that clients ask for.
    model: &'static str,
    /// Events without content.
    opening: &'static str,
    /// Events with it: eight letters each.
    content: [&'static str; 3],
    /// What is between the content and the end.
    closing: &'static str,
    /// The dialect's end.
    end: &'static str,
    /// The provider's error event.
    error: &'static str,
}

const CHAT: Talk = Talk {
    path: "/v1/chat/completions",
    model: "gpt",
    opening: "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"model\":\"@\"}\n\n",
    content: [
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcdefgh\"},\"finish_reason\":null}],\"model\":\"@\"}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ijklmnop\"},\"finish_reason\":null}],\"model\":\"@\"}\n\n",
        "data: {\"model\" : \"@\", \"choices\":[{\"delta\":{\"content\":\"qrst\\\"é@\"},\"index\":0}],\"x\":[1.50]}\n\n",
    ],
    closing: "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"model\":\"@\"}\n\n",
    end: "data: [DONE]\n\n",
    error: "data: {\"error\":{\"message\":\"too much\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\"}}\n\n",
};

const COMPLETIONS: Talk = Talk {
    path: "/v1/completions",
    model: "gpt",
    opening: "data: {\"id\":\"t\",\"choices\":[],\"model\":\"@\"}\n\n",
    content: [
        "data: {\"id\":\"t\",\"choices\":[{\"text\":\"abcdefgh\",\"index\":0}],\"model\":\"@\"}\n\n",
        "data: {\"id\":\"t\",\"choices\":[{\"text\":\"ijklmnop\",\"index\":0}],\"model\":\"@\"}\n\n",
        "data: {\"id\":\"t\",\"choices\":[{\"text\":\"qrst\\\"é@\",\"index\":0}],\"model\":\"@\"}\n\n",
    ],
    closing: "data: {\"id\":\"t\",\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}],\"model\":\"@\"}\n\n",
    end: CHAT.end,
    error: CHAT.error,
};

const RESPONSES: Talk = Talk {
    path: "/v1/responses",
    model: "gpt",
    opening: "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"model\":\"@\",\"usage\":null}}\n\n\
              event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"sequence_number\":1,\"response\":{\"model\":\"@\"}}\n\n",
    content: [
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"delta\":\"abcdefgh\"}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"delta\":\"ijklmnop\"}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"qrst\\\"é@\",\"model\":\"mine\"}\n\n",
    ],
    closing: "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"text\":\"all of it\"}\n\n",
    end: "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"@\",\"status\":\"completed\",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}}\n\n",
    error: "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"too much\",\"param\":null}\n\n",
};

const MESSAGES: Talk = Talk {
    path: "/v1/messages",
    model: "claude",
    opening: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"@\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
              event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
              event: ping\ndata: {\"type\": \"ping\"}\n\n",
    content: [
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abcdefgh\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ijklmnop\"}  }\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"qrst\\\"é@\"}}\n\n",
    ],
    closing: "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
              event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n",
    end: "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    error: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"too much\"}}\n\n",
};

static TALKS: [Talk; 4] = [CHAT, COMPLETIONS, RESPONSES, MESSAGES];

impl Talk {
    /// The whole stream.
    fn whole(&self) -> String {
        [self.opening, &self.content.concat(), self.closing, self.end].concat()
    }

    /// The beginning: some content, and no end.
    fn begun(&self) -> String {
        [self.opening, self.content[0]].concat()
    }

    /// As the provider spells it.
    fn sent(&self, text: &str) -> String {
        text.replace("\"@\"", "\"up\"")
    }

    /// As the client gets it: the model is the one that it asked for, and nothing else is different.
    fn shown(&self, text: &str) -> String {
        text.replace("\"@\"", &format!("\"{}\"", self.model))
    }

    fn body(&self) -> body::Body {
        match self.path {
            "/v1/messages" => body::messages(self.model, "Hi").stream(),
            "/v1/responses" => body::responses(self.model, "Hi").stream(),
            "/v1/completions" => body::completions(self.model, "Hi").stream_with_usage(),
            _ => body::chat(self.model, "Hi").stream_with_usage(),
        }
    }

    fn request(&self) -> Request {
        Request::post(self.path).bearer(MASTER).json(self.body())
    }

    fn is_anthropic(&self) -> bool {
        self.model == "claude"
    }

    /// Steps that send this text, event by event.
    fn events(&self, text: &str) -> Vec<Step> {
        let events = text.split_inclusive("\n\n").filter(|event| !event.is_empty());
        events.map(|event| Step::Send(chunk(&self.sent(event)))).collect()
    }

    /// An error in the caller's dialect, as the event that it is within a stream.
    fn error_event(&self, answer: &Answer) -> (String, String) {
        let event = answer.events().pop().unwrap();
        let data = event.json();
        let expected =
            (self.path != "/v1/chat/completions" && self.path != "/v1/completions").then_some("error");
        assert_eq!(event.event.as_deref(), expected, "{}", answer.text());
        let (kind, message) = match self.path {
            "/v1/responses" => (&data["code"], &data["message"]),
            "/v1/messages" => (&data["error"]["type"], &data["error"]["message"]),
            _ => (&data["error"]["code"], &data["error"]["message"]),
        };
        if expected.is_some() {
            assert_eq!(data["type"], "error", "{data}");
        }
        (kind.as_str().unwrap_or_default().to_owned(), message.as_str().unwrap_or_default().to_owned())
    }
}

/// Runs a part of a test for every dialect at the same time: most of it is waiting.
async fn in_every_dialect<F>(part: impl Fn(&'static Talk) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut parts = JoinSet::new();
    for talk in &TALKS {
        parts.spawn(part(talk));
    }
    parts.join_all().await;
}

/// The end of a body in chunks.
fn last() -> Step {
    Step::Send(chunk(""))
}

fn head() -> Step {
    Step::Send(stream_head())
}

/// A gateway before a provider that does what the test tells it.
struct Scene {
    upstream: Upstream,
    next: Arc<Mutex<Vec<Step>>>,
    gateway: Gateway,
}

impl Scene {
    async fn start() -> Self {
        Self::with(|yaml| yaml).await
    }

    /// Deployments with these parameters.
    async fn with_params(params: &[(&str, f64)]) -> Self {
        Self::built(|upstream| groups(upstream, params)).await
    }

    /// `change` adds to the file.
    async fn with(change: impl FnOnce(GatewayYaml) -> GatewayYaml) -> Self {
        Self::built(|upstream| change(groups(upstream, &[]))).await
    }

    async fn built(file: impl FnOnce(&Upstream) -> GatewayYaml) -> Self {
        let next = Arc::<Mutex<Vec<Step>>>::default();
        let steps = next.clone();
        let upstream = Upstream::start(move |_| steps.lock().clone()).await;
        let gateway = Gateway::with(file(&upstream).text()).start().await;
        Self { upstream, next, gateway }
    }

    /// What the provider does from now on.
    fn script(&self, steps: impl IntoIterator<Item = Step>) {
        *self.next.lock() = steps.into_iter().collect();
    }

    /// The answer to a request of this dialect when the provider does this.
    async fn answer(&self, talk: &Talk, steps: impl IntoIterator<Item = Step>) -> Answer {
        self.script(steps);
        self.gateway.call(&talk.request()).await
    }

    /// Nothing runs, nothing is held.
    async fn at_rest(&self) {
        for metric in ["bulkhead_in_flight", "bulkhead_holds", "bulkhead_reserved_nano_usd"] {
            self.gateway.until_metric(metric, &[], 0.0).await;
        }
    }
}

/// The groups `gpt` and `claude` at a provider, each with these parameters.
fn groups(upstream: &Upstream, params: &[(&str, f64)]) -> GatewayYaml {
    let with_params =
        |yaml: GatewayYaml| params.iter().fold(yaml, |yaml, (name, value)| yaml.param(name, *value));
    let yaml = GatewayYaml::new().master_key(MASTER);
    let yaml = yaml.deployment("gpt").provider("openai").model("up").base(upstream.base_url());
    let yaml = with_params(yaml.key(canary::OPENAI_KEY).info("base_model", "gpt-4o"));
    let yaml = yaml.deployment("claude").provider("anthropic").model("up").base(upstream.origin());
    with_params(yaml.key(canary::ANTHROPIC_KEY).info("base_model", "claude-sonnet-4-5"))
}
