//! A request that is ready to be sent, and what comes back when it is.

use std::sync::Arc;

use bulkhead_dialect::json::Segments;
use bulkhead_model::{Dialect, ErrorKind};
use bulkhead_snapshot::{Deployment, Snapshot};
use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tokio::time::{Duration, Instant, timeout_at};

use super::headers::{beta_header, upstream_headers};
use super::refusal::refusal;
use super::send::{Waits, answer};
use crate::fault::{Fault, Outcome};
use crate::read::{BodyLease, Call};
use crate::respond::client_headers;
use crate::route::Routed;
use crate::upstream::{AnswerBody, SendBody};
use crate::worker::Worker;

/// How much of a provider's error is read, and for how long.
const ERROR_BODY: usize = 64 << 10;
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// A request to a provider. Everything of it is kept until the head of the answer is there.
pub(crate) struct Prepared {
    snapshot: Arc<Snapshot>,
    deployment: Arc<Deployment>,
    client: HeaderMap,
    dialect: Dialect,
    beta: Option<HeaderValue>,
    dropped_betas: Vec<String>,
    path: PathAndQuery,
    body: Segments,
    _lease: Arc<BodyLease>,
    waits: Waits,
}

impl Prepared {
    pub(crate) fn new(
        call: &Call,
        routed: Routed,
        snapshot: Arc<Snapshot>,
        client: HeaderMap,
        body: Segments,
        waits: Waits,
    ) -> Outcome<Box<Self>> {
        let path = routed.deployment.path(call.endpoint, &routed.model).map_err(|_| {
            let message = format!("'{}' cannot be part of a URL. Use another model name.", call.model);
            Fault::new(ErrorKind::UnknownModel, message).param("model")
        })?;
        let dialect = call.endpoint.dialect();
        let (beta, dropped_betas) = beta_header(&client, &routed.deployment);
        let deployment = routed.deployment;
        Ok(Box::new(Self {
            snapshot,
            deployment,
            client,
            dialect,
            beta,
            dropped_betas,
            path,
            body,
            _lease: call.lease.clone(),
            waits,
        }))
    }

    /// Values of `anthropic-beta` that the provider does not take.
    pub(crate) fn dropped_betas(&self) -> &[String] {
        &self.dropped_betas
    }

    fn request(&self) -> Request<SendBody> {
        let mut request = Request::new(SendBody::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() = upstream_headers(
            &self.client,
            self.dialect,
            self.beta.as_ref(),
            &self.deployment,
            &self.snapshot.settings,
        );
        request
    }
}

/// Sends a request. An error answer of the provider comes back as a fault.
pub(crate) async fn run(worker: Arc<Worker>, prepared: Box<Prepared>) -> Outcome<Response<AnswerBody>> {
    let deployment = &prepared.deployment;
    let answer = answer(&worker, deployment, &|| prepared.request(), &prepared.waits).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let text = error_body(body).await;
    let settings = &prepared.snapshot.settings;
    let mut fault = refusal(head.status.as_u16(), &text, deployment, settings.expose_upstream_auth);
    let headers = client_headers(head.headers, &worker.names, deployment);
    for (name, value) in headers.iter().filter(|(name, _)| *name != http::header::CONTENT_TYPE) {
        fault = fault.header(name.clone(), value.clone());
    }
    Err(fault)
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
