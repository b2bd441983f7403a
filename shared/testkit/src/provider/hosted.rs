//! Anthropic's API as clouds serve it: Vertex AI's rawPredict and Bedrock's Invoke with its frames.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as FrameValue, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_model::Endpoint;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::errors::{Flavour, Problem};
use super::json::Members;
use super::plan::{Plan, Step};

/// Who serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    Vertex,
    Bedrock,
}

/// What a path of theirs says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosted {
    pub(crate) cloud: Cloud,
    pub(crate) streams: bool,
    pub(crate) endpoint: Endpoint,
    /// As it is written there; counting at Vertex has it in the body.
    pub(crate) model: Option<String>,
}

impl Hosted {
    pub(crate) fn of(path: &str) -> Option<Self> {
        let hosted = |cloud, streams, model: &str| Self {
            cloud,
            streams,
            endpoint: Endpoint::Messages,
            model: Some(model.to_owned()),
        };
        if let Some((_, rest)) = path.split_once("/publishers/anthropic/models/") {
            if rest == "count-tokens:rawPredict" {
                let counting = hosted(Cloud::Vertex, false, "");
                return Some(Self { endpoint: Endpoint::CountTokens, model: None, ..counting });
            }
            let (model, action) = rest.rsplit_once(':')?;
            let streams = match action {
                "rawPredict" => false,
                "streamRawPredict" => true,
                _ => return None,
            };
            return Some(hosted(Cloud::Vertex, streams, model));
        }
        let (model, action) = path.strip_prefix("/model/")?.split_once('/')?;
        // Other models are asked here for embeddings.
        match action {
            _ if !model.contains("claude") => None,
            "invoke" => Some(hosted(Cloud::Bedrock, false, model)),
            "invoke-with-response-stream" => Some(hosted(Cloud::Bedrock, true, model)),
            _ => None,
        }
    }

    /// What both refuse that Anthropic takes, and the other way round.
    pub(crate) fn check(&self, members: &Members<'_>) -> Result<(), Problem> {
        let (version, refused): (_, &[&str]) = match (self.cloud, self.endpoint) {
            (Cloud::Vertex, Endpoint::CountTokens) => ("vertex-2023-10-16", &["anthropic_beta"]),
            (Cloud::Vertex, _) => ("vertex-2023-10-16", &["model"]),
            (Cloud::Bedrock, _) => ("bedrock-2023-05-31", &["model", "stream"]),
        };
        if members.get::<String>("anthropic_version").as_deref() != Some(version) {
            return Err(Problem::missing(Flavour::Anthropic, "anthropic_version"));
        }
        if let Some(name) = refused.iter().find(|name| members.present(name).is_some()) {
            return Err(Problem::invalid(name, "extra", format!("{name}: Extra inputs are not permitted")));
        }
        let said = members.get::<bool>("stream").unwrap_or(false);
        if self.cloud == Cloud::Vertex && said != self.streams {
            return Err(Problem::invalid("stream", "stream", "stream: the path says otherwise"));
        }
        Ok(())
    }

    /// The answer as it is sent there.
    pub(crate) fn send(&self, mut plan: Plan) -> Plan {
        if self.cloud == Cloud::Bedrock && self.streams {
            plan.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.amazon.eventstream"));
            for step in &mut plan.steps {
                if let Step::Send(chunk) = step {
                    chunk.bytes = framed(&chunk.bytes);
                }
            }
        }
        plan
    }
}

/// A stream of Anthropic's events as Bedrock's Invoke sends it.
pub fn invoke_frames(events: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(events).replace("\r\n", "\n");
    let frames: Vec<_> = text.split("\n\n").map(|event| framed(event.as_bytes())).collect();
    frames.concat().into()
}

/// An event in a frame: an error is an exception.
fn framed(event: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(event);
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let Some(data) = line("data:") else { return Bytes::new() };
    let (kind, header, name, payload) = match line("event:") {
        Some("error") => {
            let error: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
            let message = serde_json::json!({ "message": error.pointer("/error/message") });
            ("exception", ":exception-type", "serviceUnavailableException", message)
        }
        _ => (
            "event",
            ":event-type",
            "chunk",
            serde_json::json!({"bytes": STANDARD.encode(data), "p": "abcdef"}),
        ),
    };
    let text = |name: &'static str, value: &'static str| Header::new(name, FrameValue::String(value.into()));
    let message = Message::new(payload.to_string())
        .add_header(text(header, name))
        .add_header(text(":content-type", "application/json"))
        .add_header(text(":message-type", kind));
    let mut out = BytesMut::new();
    write_message_to(&message, &mut out).expect("a frame of an event");
    out.freeze()
}
