//! A request that is ready to be sent, and what comes back when it is.

use bulkhead_dialect::error::read_retry_delay;
use bulkhead_dialect::json::Segments;
use bulkhead_model::{Dialect, Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Settings};
use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tokio::time::{Duration, Instant, timeout_at};

use super::headers::upstream_headers;
use super::hosted::Hosted;
use super::proof::{Proven, prove};
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
#[derive(Clone)]
pub(crate) struct Prepared<'r> {
    settings: &'r Settings,
    pub(super) deployment: &'r Deployment,
    client: &'r HeaderMap,
    /// Whose headers it has.
    dialect: Dialect,
    method: Method,
    beta: Option<HeaderValue>,
    pub(super) path: PathAndQuery,
    pub(super) body: Segments,
    pub(super) waits: Waits,
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
        let deployment = &*routed.deployment;
        let dialect = match deployment.site(&routed.model).takes_no_headers() {
            true => Dialect::Bedrock,
            false => to.dialect(),
        };
        let (method, beta) = (Method::POST, None);
        Ok(Self { settings, deployment, client, dialect, method, beta, path, body, waits })
    }

    /// The same, with what its headers say of Anthropic's API.
    pub(crate) fn saying(self, hosted: Hosted) -> Self {
        Self { beta: hosted.header, ..self }
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
        let (dialect, beta, body) = (Dialect::OpenAi, None, Segments::default());
        Self { settings, deployment, client, dialect, method, beta, path, body, waits }
    }

    /// The same with another body.
    pub(crate) fn with_body(&self, body: Bytes) -> Self {
        let mut segments = Segments::default();
        segments.push(body);
        Self { body: segments, ..self.clone() }
    }

    pub(super) fn headers(&self) -> HeaderMap {
        upstream_headers(self.client, self.dialect, self.beta.as_ref(), self.deployment, self.settings)
    }

    fn request(&self, proven: Option<&Proven<'_>>) -> Request<SendBody> {
        let mut request = Request::new(SendBody::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let path = proven.and_then(|proven| proven.path.as_ref()).unwrap_or(&self.path);
        *request.uri_mut() = Uri::from(path.clone());
        *request.headers_mut() = self.headers();
        if let Some(proven) = proven {
            proven.add_to(request.headers_mut());
        }
        request
    }

    /// What stands in for a key, where the deployment has an account with a cloud.
    async fn prove(&self, worker: &Worker) -> Outcome<Option<Proven<'_>>> {
        let Some(identity) = self.deployment.identity.as_deref() else { return Ok(None) };
        // In a box, so that the way of everybody else stays as small as it is.
        Box::pin(prove(worker, identity, self)).await.map(Some)
    }
}

/// Sends a request. An error answer of the provider comes back as a fault.
pub(crate) async fn run(worker: &Worker, prepared: Prepared<'_>) -> Outcome<Response<AnswerBody>> {
    let Prepared { deployment, settings, .. } = prepared;
    let mut proven = prepared.prove(worker).await?;
    let mut refused = match exchange(worker, &prepared, proven.as_ref()).await? {
        Ok(answer) => return Ok(answer),
        Err(refused) => refused,
    };
    if let Some(proven) = &mut proven
        && proven.signs_again(&refused.0, &refused.1)
    {
        // In a box, as it is seldom.
        refused = match Box::pin(exchange(worker, &prepared, Some(proven))).await? {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
    }
    let (head, text) = refused;
    let mut fault = refusal(head.status.as_u16(), &text, deployment, settings.expose_upstream_auth);
    if let Some(proven) = proven.filter(|_| fault.kind != ErrorKind::ContentPolicy) {
        proven.answered(head.status.as_u16());
    }
    fault.wait = asked_to_wait(&head.headers, &text);
    let headers = client_headers(head.headers, &worker.names, deployment);
    for (name, value) in headers.iter().filter(|(name, _)| *name != http::header::CONTENT_TYPE) {
        fault = fault.header(name.clone(), value.clone());
    }
    Err(fault)
}

/// Sends it once. The inner error is the provider's answer, which is one.
async fn exchange(
    worker: &Worker,
    prepared: &Prepared<'_>,
    proven: Option<&Proven<'_>>,
) -> Outcome<Result<Response<AnswerBody>, (Parts, Bytes)>> {
    let request = || prepared.request(proven);
    let answer = answer(worker, prepared.deployment, &request, &prepared.waits).await?;
    if answer.status().is_success() {
        return Ok(Ok(answer));
    }
    let (head, body) = answer.into_parts();
    Ok(Err((head, error_body(body).await)))
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
