//! Traces, as a collector gets them: by OTLP over a real socket, read with OpenTelemetry's own messages.

use std::net::SocketAddr;
use std::sync::Arc;

use bulkhead_testkit::client::Request;
use bulkhead_testkit::{MockProvider, body, canary, eventually};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Gateway, MASTER, PATIENCE, faulty, yaml};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What a collector was sent: the head of each request and its body.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(http::request::Parts, Bytes)>>>);

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = collector.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let taken = taken.clone();
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let taken = taken.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        taken.0.lock().push((head, body));
                        Ok::<_, hyper::Error>(hyper::Response::new(Full::new(Bytes::new())))
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
            }
        });
        (collector, address)
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        self.0
            .lock()
            .iter()
            .map(|(_, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap())
            .collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.resource_spans);
        resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    async fn spans_of(&self, count: usize) -> Vec<Span> {
        eventually(PATIENCE, || self.spans().len() >= count).await;
        let mut spans = self.spans();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans.sort_by_key(|span| (span.parent_span_id != parent(), span.start_time_unix_nano));
        spans
    }
}

fn parent() -> Vec<u8> {
    0x00f0_67aa_0ba9_02b7_u64.to_be_bytes().to_vec()
}

fn traced(sampled: bool) -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-0{}", u8::from(sampled))
}

fn said(attributes: &[KeyValue], name: &str) -> serde_json::Value {
    let found = attributes.iter().find(|it| it.key == name).and_then(|it| it.value.clone()?.value);
    match found {
        Some(Value::StringValue(text)) => json!(text),
        Some(Value::IntValue(number)) => json!(number),
        Some(Value::BoolValue(flag)) => json!(flag),
        _ => serde_json::Value::Null,
    }
}

fn asked(model: &str) -> Request {
    Request::post("/v1/chat/completions").bearer(MASTER).json(body::chat(model, "a secret prompt"))
}

#[tokio::test]
async fn a_request_is_a_span_and_each_of_its_legs_another() {
    let (collector, address) = Collector::start().await;
    let mock = MockProvider::start();
    let declared =
        faulty(yaml(&mock), &mock, "main", "status-503").router("fallbacks", json!([{"main": ["gpt"]}]));
    let gateway = Gateway::with(declared.text())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=red%20one")
        .env("OTEL_SERVICE_NAME", "edge")
        .start()
        .await;
    // Whoever began this trace does not want it.
    assert_eq!(gateway.call(&asked("gpt").header("traceparent", &traced(false))).await.status, 200);
    assert_eq!(gateway.call(&asked("main").header("traceparent", &traced(true))).await.status, 200);
    let spans = collector.spans_of(3).await;
    let [request, first, second] = &spans[..] else { panic!("{spans:#?}") };
    for span in &spans {
        assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:#?}");
    }
    assert_eq!((&request.parent_span_id, &*request.name), (&parent(), "POST /v1/chat/completions"));
    for leg in [first, second] {
        assert_eq!(leg.parent_span_id, request.span_id);
        assert!(leg.start_time_unix_nano >= request.start_time_unix_nano, "{spans:#?}");
        assert!(leg.end_time_unix_nano <= request.end_time_unix_nano, "{spans:#?}");
    }
    for (span, name, wanted) in [
        (request, "gen_ai.request.model", json!("main")),
        (request, "bulkhead.fallbacks", json!(1)),
        (request, "http.response.status_code", json!(200)),
        (first, "gen_ai.operation.name", json!("chat")),
        (first, "gen_ai.request.model", json!("status-503")),
        (first, "server.address", json!("127.0.0.1")),
        (first, "http.response.status_code", json!(503)),
        (first, "error.type", json!("upstream_overloaded")),
        (first, "gen_ai.usage.input_tokens", json!(null)),
        (second, "gen_ai.response.model", json!("ok")),
        (second, "error.type", json!(null)),
        (second, "bulkhead.leg", json!(2)),
    ] {
        assert_eq!(said(&span.attributes, name), wanted, "{name}: {span:#?}");
    }
    assert!(said(&second.attributes, "gen_ai.usage.output_tokens").as_i64() > Some(0));
    assert_eq!((first.status.as_ref().map(|it| it.code), second.status.as_ref()), (Some(2), None));
    let points = |span: &Span| span.events.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(points(request), ["bulkhead.body_received", "bulkhead.body_parsed"]);
    assert_eq!(points(second), ["bulkhead.deployment_selected", "bulkhead.first_upstream_byte"]);
    let rule = said(&second.events[0].attributes, "bulkhead.rule");
    assert_eq!(rule, "fallback of the model group, exact, only one");
    let resource = collector.exports()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(said(&resource.attributes, "service.name"), "edge");
    for (head, sent) in &*collector.0.lock() {
        assert_eq!((head.uri.path(), head.headers["x-team"].to_str().unwrap()), ("/v1/traces", "red one"));
        let sent = String::from_utf8_lossy(sent);
        assert!(
            !sent.contains("secret prompt") && !sent.contains(canary::OPENAI_KEY) && !sent.contains(MASTER)
        );
    }
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_no_request() {
    let mock = MockProvider::start();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let gateway = Gateway::with(yaml(&mock).text())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
        .start()
        .await;
    assert_eq!(gateway.call(&asked("gpt")).await.status, 200);
    gateway.until_metric("bulkhead_spans_dropped_total", &[], 2.0).await;
    gateway.until_log("the collector of traces does not take them").await;
}

#[test]
fn a_setting_that_is_wrong_is_told_before_anything_is_bound() {
    let mock = MockProvider::start();
    let gateway = Gateway::with(yaml(&mock).text());
    let (code, said) = gateway
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .refused();
    assert!(code == Some(64) && said.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{code:?} {said}");
}
