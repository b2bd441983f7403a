//! The spans of a request and of its legs, with the attributes of OpenTelemetry's conventions for generative AI.

use bulkhead_model::{Endpoint, ErrorKind};
use tokio::time::Instant;

use super::Trace;
use super::otlp::{CLIENT, ERROR, Event, KeyValue, SERVER, Span, Status};
use crate::usage::{UsageEvent, cut};

/// The whole request, from its first byte. Its last leg has just ended.
pub(super) fn of_request(trace: &Trace, event: &UsageEvent) -> Span {
    let exchange = &*event.exchange;
    let path = exchange.endpoint.route();
    let status = event.outcome.err().map_or(200, ErrorKind::status);
    let mut attributes = vec![
        KeyValue::text("http.request.method", "POST"),
        KeyValue::text("http.route", path),
        KeyValue::number("http.response.status_code", status.into()),
        KeyValue::text("gen_ai.operation.name", operation(exchange.endpoint)),
        KeyValue::text("gen_ai.request.model", &cut(&exchange.asked)),
        KeyValue::text("bulkhead.call_id", exchange.call_id.to_str().unwrap_or_default()),
        KeyValue::number("bulkhead.retries", exchange.progress.retries.into()),
        KeyValue::number("bulkhead.fallbacks", exchange.progress.fallbacks.into()),
    ];
    if let Some(key) = exchange.caller.key() {
        let of = [("bulkhead.key.alias", key.alias()), ("bulkhead.team.id", key.team_id())];
        attributes.extend(of.iter().filter_map(|(name, text)| Some(KeyValue::text(name, (*text)?))));
    }
    attributes.extend(failure(event));
    let point = |at: Instant, name: &str| Event {
        time_unix_nano: trace.at(at),
        name: name.to_owned(),
        attributes: Vec::new(),
    };
    Span {
        trace_id: trace.id.to_vec(),
        span_id: trace.span.to_vec(),
        parent_span_id: trace.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: format!("POST {path}"),
        kind: SERVER,
        start_time_unix_nano: trace.at(trace.arrived),
        end_time_unix_nano: trace.at(trace.arrived + event.times.began + event.times.total),
        attributes,
        // The body is scanned as it comes: it is read when it is there.
        events: vec![point(trace.read, "bulkhead.body_received"), point(trace.read, "bulkhead.body_parsed")],
        status: status_of(event),
    }
}

/// One deployment that was asked.
pub(super) fn of_leg(trace: &Trace, event: &UsageEvent) -> Span {
    let exchange = &*event.exchange;
    let deployment = &*exchange.routed.deployment;
    let times = &event.times;
    let began = trace.arrived + times.began;
    let operation = operation(exchange.endpoint);
    let mut attributes = vec![
        KeyValue::text("gen_ai.operation.name", operation),
        KeyValue::text("gen_ai.provider.name", &deployment.provider.name),
        KeyValue::text("gen_ai.request.model", &cut(&exchange.routed.model)),
        KeyValue::text("server.address", &deployment.target.host),
        KeyValue::number("server.port", deployment.target.port.into()),
        KeyValue::flag("gen_ai.request.stream", exchange.stream),
        KeyValue::text("bulkhead.deployment", &deployment.id),
        KeyValue::text("bulkhead.model_group", &deployment.group),
        KeyValue::number("bulkhead.leg", exchange.progress.leg.into()),
    ];
    if event.outcome.is_ok() {
        attributes.push(KeyValue::text("gen_ai.response.model", &cut(&exchange.routed.model)));
        attributes.push(KeyValue::number("gen_ai.usage.input_tokens", event.usage.input));
        attributes.push(KeyValue::number("gen_ai.usage.output_tokens", event.usage.output));
    }
    if let Some(status) = event.status {
        attributes.push(KeyValue::number("http.response.status_code", status.into()));
    }
    attributes.extend(failure(event));
    let selected = Event {
        // A leg is asked as soon as it is chosen; the first one begins with its request.
        time_unix_nano: trace.at(began + times.asked.unwrap_or_default()),
        name: "bulkhead.deployment_selected".to_owned(),
        attributes: vec![
            KeyValue::number("bulkhead.leg", exchange.progress.leg.into()),
            KeyValue::text("bulkhead.rule", &exchange.rule.text(&exchange.group)),
        ],
    };
    let first_byte = times.first_byte.map(|after| Event {
        time_unix_nano: trace.at(began + after),
        name: "bulkhead.first_upstream_byte".to_owned(),
        attributes: Vec::new(),
    });
    Span {
        trace_id: trace.id.to_vec(),
        span_id: leg_id(trace, exchange.progress.leg),
        parent_span_id: trace.span.to_vec(),
        name: format!("{operation} {}", cut(&exchange.routed.model)),
        kind: CLIENT,
        start_time_unix_nano: trace.at(began + times.asked.unwrap_or_default()),
        end_time_unix_nano: trace.at(began + times.total),
        attributes,
        events: std::iter::once(selected).chain(first_byte).collect(),
        status: status_of(event),
    }
}

/// Another one for each leg, and never the request's own: legs begin at one.
fn leg_id(trace: &Trace, leg: u32) -> Vec<u8> {
    let id = u64::from_be_bytes(trace.span).wrapping_add(leg.into());
    if id == 0 { u64::MAX.to_be_bytes().to_vec() } else { id.to_be_bytes().to_vec() }
}

fn failure(event: &UsageEvent) -> Option<KeyValue> {
    event.outcome.err().map(|kind| KeyValue::text("error.type", kind.label()))
}

fn status_of(event: &UsageEvent) -> Option<Status> {
    event.outcome.is_err().then_some(Status { code: ERROR })
}

fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Completions => "text_completion",
        endpoint if endpoint.embeds() => "embeddings",
        _ => "chat",
    }
}
