//! The way of a request: receive → identify → read → admit → route → attempt → respond → settle.

use std::sync::Arc;

use bulkhead_model::{Dialect, Endpoint, ErrorKind};
use bulkhead_snapshot::{Settings, Snapshot};
use http::header::{CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};

use crate::fault::{Fault, Outcome};
use crate::identify::{self, Caller};
use crate::legs::{Journey, Way, tell_spend};
use crate::listener::LogEntry;
use crate::management::Management;
use crate::read::{self, BodyLease, BodyLimits, Call, Sender};
use crate::receive::{Inference, Route, dialect_of, route};
use crate::respond::{self, Awaited, Facts, Opening, OutBody};
use crate::route::mark_of;
use crate::worker::Worker;
use crate::{bound, counted, listing, pages, stored};

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

/// Answers a request whose first byte arrived at that time. Every request gets an answer, also one that fails.
pub(crate) async fn serve(
    worker: &Arc<Worker>,
    arrived: Instant,
    request: Request<Incoming>,
) -> Response<OutBody> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let route = route(&head.method, &path);
    let dialect = match route {
        Route::Models | Route::Model(_) => listing::dialect(&head),
        _ => dialect_of(&path),
    };
    if let (Some(management), true) = (&worker.node.management, route.is_control_planes()) {
        return manage(worker, management, head, body).await;
    }
    let outcome = match route {
        Route::Inference(asked) => {
            return inference(worker, Received { arrived, asked, path: &path, head }, body).await;
        }
        Route::Models => listing::models(worker, &head),
        Route::Model(id) => listing::model(worker, &head, id),
        Route::Stored(asked) => {
            let call_id = call_id(worker, &head.headers);
            Box::pin(stored::stored(worker, &head, &path, asked, call_id)).await
        }
        Route::Plain(plain) => pages::plain(worker, plain),
        Route::Management => pages::management(worker, &path),
        Route::WrongMethod(takes) => Ok(pages::wrong_method(takes)),
        Route::Unknown => Ok(pages::not_found()),
    };
    // What is sent with a cancellation says nothing.
    refuse_body(&head, body, outcome.is_err() || matches!(route, Route::Stored(_))).await;
    outcome.unwrap_or_else(|fault| {
        worker.metrics.refused(None, fault.kind);
        fault.into_response(dialect)
    })
}

/// Answers with what the control plane says.
async fn manage(worker: &Worker, management: &Management, head: Parts, body: Incoming) -> Response<OutBody> {
    let outcome = match management.enter(&head) {
        Ok(entry) => entry.forward(head, body).await,
        Err(fault) => {
            refuse_body(&head, body, true).await;
            Err(fault)
        }
    };
    outcome.unwrap_or_else(|fault| {
        worker.metrics.refused(None, fault.kind);
        fault.into_response(Dialect::OpenAi)
    })
}

/// The head of an inference request.
struct Received<'r> {
    /// When its first byte did.
    arrived: Instant,
    asked: Inference<'r>,
    path: &'r str,
    head: Parts,
}

async fn inference(worker: &Arc<Worker>, received: Received<'_>, body: Incoming) -> Response<OutBody> {
    let endpoint = received.asked.endpoint;
    match run(worker, received, body).await {
        Ok(response) => response,
        Err(fault) => {
            if !fault.counted {
                worker.metrics.refused(Some(endpoint), fault.kind);
            }
            fault.into_response(endpoint.dialect())
        }
    }
}

async fn run(worker: &Arc<Worker>, received: Received<'_>, body: Incoming) -> Outcome<Response<OutBody>> {
    let Received { arrived, asked, path, head } = received;
    let endpoint = asked.endpoint;
    // A head that is slow to come takes nothing from the time that the provider has.
    let started = Instant::now();
    let snapshot = worker.node.snapshot.load_full().ok_or_else(|| worker.node.not_ready())?;
    let caller = identify(worker, &snapshot, &head.headers, path, endpoint);
    let caller = match caller.and_then(|caller| room_for_usage(worker).map(|()| caller)) {
        Ok(caller) => caller,
        Err(fault) => {
            refuse_body(&head, body, true).await;
            return Err(fault);
        }
    };
    let log = head.extensions.get::<LogEntry>().cloned();
    if let Some(log) = &log {
        log.caller(&caller);
    }
    let call_id = call_id(worker, &head.headers);
    let mut call = match read_call(worker, &snapshot.settings, &head, body, asked).await {
        Ok(call) => call,
        Err(mut fault) => {
            tell(worker, &snapshot, &caller, &call_id, arrived, &mut fault);
            return Err(fault);
        }
    };
    if let Some(log) = &log {
        log.model(&call.model);
    }
    match counted::estimated(&snapshot, &caller, &call, &call_id, arrived) {
        Ok(None) => {}
        Ok(Some(answer)) => return Ok(answer),
        Err(mut fault) => {
            tell(worker, &snapshot, &caller, &call_id, arrived, &mut fault);
            return Err(fault);
        }
    }
    if endpoint == Endpoint::Responses {
        // On the heap, so that other requests do not carry the room for it.
        match Box::pin(bound::read(&snapshot, &caller, &call)).await {
            Ok(bonds) => call.bonds = bonds,
            Err(mut fault) => {
                tell(worker, &snapshot, &caller, &call_id, arrived, &mut fault);
                return Err(fault);
            }
        }
    }
    let affinity = affinity(&snapshot.settings, &head.headers, &call);
    let callers_time = call.callers_time(&head.headers);
    // The caller's own time bounds all tries; of a stream the way to its first content.
    let most = snapshot.settings.overall_timeout;
    let overall = started + callers_time.map_or(most, |own| own.min(most));
    let tracer = worker.node.tracer.as_ref();
    let trace = tracer.and_then(|tracer| tracer.begin(&head.headers, arrived, &worker.rng));
    let client = head.headers;
    let keepalive = respond::keepalive(&call, snapshot.settings.keepalive);
    let stream = call.stream;
    let way = Way::default();
    let told_at = (stream && !keepalive.is_zero()).then(|| started + keepalive);
    let journey = Journey {
        worker: worker.clone(),
        snapshot,
        caller,
        call,
        client,
        call_id: call_id.clone(),
        affinity,
        trace,
        arrived,
        callers_time,
        overall,
        told_at,
        log,
        way,
    };
    let Some(told_at) = told_at else { return journey.run().await };
    let mut opening: Opening = Box::pin(journey.run());
    tokio::select! {
        biased;
        answer = &mut opening => answer,
        () = sleep_until(told_at) => {
            Ok(awaited(Awaited::new(worker.clone(), opening, endpoint, keepalive), &call_id))
        }
    }
}

/// The head of a stream that has not begun. What is not known yet is left out.
fn awaited(awaited: Box<Awaited>, call_id: &HeaderValue) -> Response<OutBody> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, respond::EVENTS);
    respond::add_stream_headers(&mut headers);
    headers.insert(CALL_ID, call_id.clone());
    respond::response(StatusCode::OK, headers, OutBody::Awaited(awaited))
}

/// Says with a failure what is known of a request that went nowhere.
fn tell(
    worker: &Worker,
    snapshot: &Snapshot,
    caller: &Caller,
    call_id: &HeaderValue,
    arrived: Instant,
    fault: &mut Fault,
) {
    let mut headers = HeaderMap::with_capacity(8);
    respond::add_facts(&mut headers, &Facts::of_nothing(call_id, arrived.elapsed()));
    tell_spend(worker, snapshot, caller, &mut headers);
    fault.tell(headers);
}

/// What requests that belong together have in common, where they are to go to the same deployment.
fn affinity(settings: &Settings, headers: &HeaderMap, call: &Call) -> Option<u64> {
    let declared = &settings.routing.row.affinity;
    let session = declared.session.then(|| session(headers)).flatten();
    let head = || {
        let bytes = usize::try_from(declared.prompt_head?).unwrap_or(usize::MAX);
        let bytes = bytes.min(call.body.len());
        call.body.bytes(0..bytes, bytes)
    };
    session.map(|session| mark_of(session.as_bytes())).or_else(|| head().map(|head| mark_of(&head)))
}

/// LiteLLM's names of a session (litellm.md §7.3): its own, any `x-…-session-id`, Codex's.
fn session(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_session = |name: &str| name.starts_with("x-") && name.ends_with("-session-id");
    let any = || headers.iter().find(|(name, _)| is_session(name.as_str())).map(|(_, value)| value);
    headers.get("x-litellm-session-id").or_else(any).or_else(|| headers.get("session-id"))
}

fn identify(
    worker: &Worker,
    snapshot: &Snapshot,
    headers: &HeaderMap,
    path: &str,
    endpoint: Endpoint,
) -> Outcome<Caller> {
    let caller = identify::identify(snapshot, headers, worker.node.clock.now())?;
    identify::permit_route(&caller, path, Some(endpoint))?;
    Ok(caller)
}

/// Refuses a request whose usage could not be kept, where the operator wants that.
fn room_for_usage(worker: &Worker) -> Outcome<()> {
    if !worker.node.recorder.spool().is_some_and(|spool| spool.blocks()) {
        return Ok(());
    }
    let message = "Usage records have waited for the control plane until there was no more room for them on this node \
                   (--spool-full block). Please retry shortly.";
    Err(Fault::new(ErrorKind::UsageSpoolFull, message).retry_after(1))
}

/// Takes in a little of a body that nobody reads, so that the client sees the answer.
async fn refuse_body(head: &Parts, body: Incoming, refused: bool) {
    if let (true, Sender::Sends) = (refused, sender(head)) {
        read::drain(body).await;
    }
}

fn sender(head: &Parts) -> Sender {
    if head.headers.contains_key(EXPECT) { Sender::WaitsToBeAsked } else { Sender::Sends }
}

fn call_id(worker: &Worker, headers: &HeaderMap) -> HeaderValue {
    match headers.get(CALL_ID) {
        Some(sent) if !sent.is_empty() && sent.len() <= 128 && sent.to_str().is_ok() => sent.clone(),
        _ => worker.call_id(),
    }
}

async fn read_call(
    worker: &Worker,
    settings: &Settings,
    head: &Parts,
    body: Incoming,
    asked: Inference<'_>,
) -> Outcome<Box<Call>> {
    if let Err(fault) = read::check_content_type(&head.headers) {
        refuse_body(head, body, true).await;
        return Err(fault);
    }
    let mut lease = BodyLease::new(&worker.node.body_memory);
    let limits = BodyLimits {
        bytes: settings.max_request_bytes,
        memory: settings.body_memory_bytes,
        patience: worker.node.patience,
    };
    let (segments, scan) = read::collect(body, limits, &mut lease, sender(head)).await?;
    let mut call = Call::read(asked, segments, scan, lease)?;
    let is_sse = || head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    call.as_array = asked.endpoint == Endpoint::GenerateContent && asked.streams && !is_sse();
    if let Some(tags) = head.headers.get("x-litellm-tags").and_then(|value| value.to_str().ok()) {
        call.tags.extend(tags.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
    }
    Ok(call)
}
