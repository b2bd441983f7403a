//! A request that is ready to be sent, and what comes back when it is.

use bulkhead_dialect::error::read_retry_delay;
use bulkhead_dialect::json::Segments;
use bulkhead_model::{Dialect, Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Settings};
use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tokio::time::{Duration, Instant, timeout_at};

use super::headers::{beta_header, upstream_headers};
use super::refusal::refusal;
use super::send::{Waits, answer};
use crate::fault::{Fault, Outcome};
use crate::read::Call;
use crate::respond::client_headers;
use crate::route::Routed;
use crate::upstream::{AnswerBody, SendBody};
use crate::worker::Worker;

/// How much of a provider's error is read, and for how long.
const ERROR_BODY: usize = 64 << 10;
/// No provider is left alone for longer, in seconds, whatever it says.
const LONGEST_WAIT: f64 = 3600.0;
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// A request to a provider. Everything of it is kept until the head of the answer is there.
pub(crate) struct Prepared<'r> {
    settings: &'r Settings,
    deployment: &'r Deployment,
    client: &'r HeaderMap,
    dialect: Dialect,
    method: Method,
    beta: Option<HeaderValue>,
    dropped_betas: Vec<String>,
    path: PathAndQuery,
    body: Segments,
    waits: Waits,
}

impl<'r> Prepared<'r> {
    /// A body that is ready for this endpoint of the provider.
    pub(crate) fn new(
        call: &Call,
        routed: &'r Routed,
        to: Endpoint,
        settings: &'r Settings,
        client: &'r HeaderMap,
        body: Segments,
        waits: Waits,
    ) -> Outcome<Self> {
        let path = routed.deployment.path(to, &routed.model, call.stream).map_err(|_| {
            let message = format!("'{}' cannot be part of a URL. Use another model name.", call.model);
            Fault::new(ErrorKind::UnknownModel, message).param("model")
        })?;
        let dialect = to.dialect();
        let (beta, dropped_betas) = match dialect {
            Dialect::Anthropic => beta_header(client, &routed.deployment),
            Dialect::OpenAi | Dialect::Gemini | Dialect::Bedrock => (None, Vec::new()),
        };
        let deployment = &*routed.deployment;
        let method = Method::POST;
        Ok(Self { settings, deployment, client, dialect, method, beta, dropped_betas, path, body, waits })
    }

    /// A request about an answer that the provider keeps.
    pub(crate) fn of_stored(
        method: Method,
        path: PathAndQuery,
        deployment: &'r Deployment,
        settings: &'r Settings,
        client: &'r HeaderMap,
        waits: Waits,
    ) -> Self {
        let (dialect, body) = (Dialect::OpenAi, Segments::default());
        let (beta, dropped_betas) = (None, Vec::new());
        Self { settings, deployment, client, dialect, method, beta, dropped_betas, path, body, waits }
    }

    /// Values of `anthropic-beta` that the provider does not take.
    pub(crate) fn dropped_betas(&self) -> &[String] {
        &self.dropped_betas
    }

    fn request(&self) -> Request<SendBody> {
        let mut request = Request::new(SendBody::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() =
            upstream_headers(self.client, self.dialect, self.beta.as_ref(), self.deployment, self.settings);
        request
    }
}

/// Sends a request. An error answer of the provider comes back as a fault.
pub(crate) async fn run(worker: &Worker, prepared: Prepared<'_>) -> Outcome<Response<AnswerBody>> {
    let Prepared { deployment, settings, .. } = prepared;
    let answer = answer(worker, deployment, &|| prepared.request(), &prepared.waits).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let text = error_body(body).await;
    let mut fault = refusal(head.status.as_u16(), &text, deployment, settings.expose_upstream_auth);
    fault.wait = asked_to_wait(&head.headers, &text);
    let headers = client_headers(head.headers, &worker.names, deployment);
    for (name, value) in headers.iter().filter(|(name, _)| *name != http::header::CONTENT_TYPE) {
        fault = fault.header(name.clone(), value.clone());
    }
    Err(fault)
}

/// How long a provider wants to be left alone: `retry-after-ms`, else `retry-after` in seconds, else what the body says,
/// as Google's does. A date is not read: no provider of models sends one.
fn asked_to_wait(headers: &HeaderMap, body: &[u8]) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let in_head = || number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"));
    let seconds = in_head().filter(|seconds| *seconds > 0.0).or_else(|| {
        let said = read_retry_delay(body)?.as_secs_f64();
        (said > 0.0).then_some(said)
    })?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST_WAIT)))
}

/// As much of an error as is worth reading.
async fn error_body(mut body: AnswerBody) -> Bytes {
    let deadline = Instant::now() + ERROR_PATIENCE;
    let mut text = BytesMut::new();
    while text.len() < ERROR_BODY {
        match timeout_at(deadline, std::future::poll_fn(|cx| body.poll_chunk(cx))).await {
            Ok(Some(Ok(chunk))) => text.extend_from_slice(&chunk),
            Ok(None | Some(Err(_))) | Err(_) => break,
        }
    }
    text.freeze()
}
