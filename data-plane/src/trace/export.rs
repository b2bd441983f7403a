//! Sends spans to a collector.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::otlp::{KeyValue, Request as Export, Resource, ResourceSpans, Scope, ScopeSpans, Span};
use super::{Settings, Tracer};
use crate::upstream::{Dialer, system_roots};

/// OpenTelemetry's defaults: spans wait so long for others, so many go at once, and an export has so much time.
const PATIENCE: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 512;
const DEADLINE: Duration = Duration::from_secs(10);
/// Of an answer nothing is read but its end.
const ANSWER: usize = 64 << 10;

/// Sends spans until there is nobody left to make any. What a collector does not take is dropped and counted: the next
/// ones are worth more than these.
pub(crate) async fn export(
    settings: Settings,
    tracer: Arc<Tracer>,
    mut queue: mpsc::Receiver<Span>,
) -> io::Result<()> {
    let collector = Collector { dialer: Dialer::speaking("http/1.1", system_roots()), settings };
    let mut is_away = false;
    while let Some(first) = queue.recv().await {
        let mut spans = vec![first];
        let deadline = Instant::now() + PATIENCE;
        while spans.len() < AT_ONCE {
            let Ok(Some(span)) = timeout_at(deadline, queue.recv()).await else { break };
            spans.push(span);
        }
        let count = spans.len();
        let outcome = timeout_at(Instant::now() + DEADLINE, collector.send(spans)).await;
        let failure = match outcome {
            Ok(Ok(status)) if status.is_success() => None,
            Ok(Ok(status)) => Some(format!("it answers {status}")),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it does not answer".to_owned()),
        };
        if failure.is_some() {
            tracer.drop_some(count);
        }
        match &failure {
            Some(why) if !is_away => tracing::warn!(why, "the collector of traces does not take them"),
            None if is_away => tracing::info!("the collector of traces takes them again"),
            _ => {}
        }
        is_away = failure.is_some();
    }
    Ok(())
}

struct Collector {
    dialer: Dialer,
    settings: Settings,
}

impl Collector {
    async fn send(&self, spans: Vec<Span>) -> anyhow::Result<StatusCode> {
        let Settings { collector, headers, .. } = &self.settings;
        let mut request = Request::new(Full::new(Bytes::from(self.wrapped(spans).encode_to_vec())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = if collector.prefix.is_empty() { "/" } else { &collector.prefix }.parse()?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(collector.authority.as_str())?);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
        let wire = self.dialer.dial(&collector.target, Instant::now() + DEADLINE).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
        // Polls the connection, and ends with this function.
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let _ = Limited::new(answer.into_body(), ANSWER).collect().await;
        Ok(status)
    }

    fn wrapped(&self, spans: Vec<Span>) -> Export {
        let version = env!("CARGO_PKG_VERSION");
        let scope = Scope { name: "bulkhead".to_owned(), version: version.to_owned() };
        let attributes = vec![
            KeyValue::text("service.name", &self.settings.service),
            KeyValue::text("service.version", version),
        ];
        let spans = ScopeSpans { scope: Some(scope), spans };
        let resource = Some(Resource { attributes });
        Export { resource_spans: vec![ResourceSpans { resource, scope_spans: vec![spans] }] }
    }
}
