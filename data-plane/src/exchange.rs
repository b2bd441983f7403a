//! The way of a request: receive → identify → read → admit → route → attempt → respond → settle.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_dialect::relay::RelayOptions;
use bulkhead_model::{Dialect, Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Key, Settings, Snapshot};
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};

use crate::attempt::{self, Edited, Prepared, Waits};
use crate::fault::{Fault, Outcome};
use crate::identify::{self, Caller};
use crate::management::Management;
use crate::read::{self, BodyLease, BodyLimits, Call, Sender};
use crate::receive::{Route, dialect_of, route};
use crate::respond::{self, Buffered, Decoder, Facts, OutBody, Terms};
use crate::route::{Routed, pick, resolve};
use crate::settle::{Exchange, Settle};
use crate::upstream::AnswerBody;
use crate::worker::Worker;
use crate::{admission, listing, pages};

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

/// Answers a request whose first byte arrived at that time. Every request gets an answer, also one that fails.
pub(crate) async fn serve(
    worker: &Arc<Worker>,
    arrived: Instant,
    request: Request<Incoming>,
) -> Response<OutBody> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let dialect = dialect_of(&path);
    let route = route(&head.method, &path);
    if let (Some(management), true) = (&worker.node.management, route.is_control_planes()) {
        return manage(worker, management, head, body).await;
    }
    let outcome = match route {
        Route::Inference { endpoint, model } => {
            return inference(worker, Received { arrived, endpoint, path: &path, model, head }, body).await;
        }
        Route::Models => listing::models(worker, &head.headers, &path),
        Route::Model(id) => listing::model(worker, &head.headers, &path, id),
        Route::Plain(plain) => pages::plain(worker, plain, &path),
        Route::Management => pages::management(worker, &path),
        Route::WrongMethod(takes) => Ok(pages::wrong_method(takes)),
        Route::Unknown => Ok(pages::not_found()),
    };
    refuse_body(&head, body, outcome.is_err()).await;
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
    endpoint: Endpoint,
    path: &'r str,
    /// The model that the path names.
    model: Option<&'r str>,
    head: Parts,
}

/// What an error answer may tell, as it becomes known.
#[derive(Default)]
struct Known {
    call_id: Option<HeaderValue>,
    key: Option<(Arc<Snapshot>, Key)>,
    deployment: Option<Arc<Deployment>>,
    timeout: Option<Duration>,
    /// When the request went on to the provider.
    asked: Option<Instant>,
    /// The exchange counts itself.
    settled: bool,
}

async fn inference(worker: &Arc<Worker>, received: Received<'_>, body: Incoming) -> Response<OutBody> {
    let endpoint = received.endpoint;
    let arrived = received.arrived;
    let mut known = Known::default();
    match run(worker, received, body, &mut known).await {
        Ok(response) => response,
        Err(fault) => {
            if !known.settled {
                worker.metrics.refused(Some(endpoint), fault.kind);
            }
            let mut response = fault.into_response(endpoint.dialect());
            known.tell(worker, arrived, response.headers_mut());
            response
        }
    }
}

async fn run(
    worker: &Arc<Worker>,
    received: Received<'_>,
    body: Incoming,
    known: &mut Known,
) -> Outcome<Response<OutBody>> {
    let Received { arrived, endpoint, path, model, head } = received;
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
    let call_id = call_id(worker, &head.headers);
    known.call_id = Some(call_id.clone());
    known.key = caller.key().map(|key| (snapshot.clone(), key.clone()));
    let call = read_call(worker, &snapshot.settings, &head, body, endpoint, model).await?;
    let resolved = resolve(&snapshot, &caller, caller.meaning(&call.model))?;
    let routed = pick(&resolved, endpoint, &tags(&call, &caller), &snapshot.settings, &worker.rng)?;
    known.deployment = Some(routed.deployment.clone());
    let rates = routed.deployment.rates_of(&routed.model, &snapshot.prices);
    let permit = {
        let claims = admission::claims(&snapshot, &caller);
        let ask = admission::ask(worker, &call, &routed, rates.as_ref(), &claims);
        admission::admit(&worker.node.gate, &snapshot, &caller, &claims, ask).await?
    };
    let waits = waits(started, &call, &head.headers, &routed.deployment);
    known.timeout = Some(waits.total);
    let exchange = Exchange {
        endpoint,
        call_id,
        asked: call.model.clone(),
        caller,
        routed: routed.clone(),
        rates,
        stream: call.stream,
        tags: call.tags.clone(),
        end_user: call.end_user.clone(),
        input_estimate: call.input_estimate(),
        arrived,
        started_at: worker.node.clock.now(),
    };
    let settle = Settle::new(worker, exchange, permit);
    known.settled = true;
    known.asked = Some(Instant::now());
    forward(worker, Forward { snapshot, call, routed, waits, client: head.headers }, settle).await
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
    endpoint: Endpoint,
    path_model: Option<&str>,
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
    let mut call = Call::read(endpoint, path_model, segments, scan, lease)?;
    if let Some(tags) = head.headers.get("x-litellm-tags").and_then(|value| value.to_str().ok()) {
        call.tags.extend(tags.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
    }
    Ok(call)
}

/// The request's tags and its key's.
fn tags<'c>(call: &'c Call, caller: &Caller) -> Cow<'c, [String]> {
    match caller.key().filter(|key| !key.policy().said.tags.is_empty()) {
        None => Cow::Borrowed(&call.tags),
        Some(key) => {
            let own = key.policy().said.tags.iter().map(|tag| tag.to_string());
            Cow::Owned(call.tags.iter().cloned().chain(own).collect())
        }
    }
}

/// The caller's timeouts where it sent some, else the deployment's.
fn waits(started: Instant, call: &Call, headers: &HeaderMap, deployment: &Deployment) -> Waits {
    let seconds = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        let seconds: f64 = text.trim().parse().ok()?;
        (seconds > 0.0 && seconds <= 6000.0).then(|| Duration::from_secs_f64(seconds))
    };
    let total = call.timeout.or_else(|| seconds("x-litellm-timeout"));
    if !call.stream {
        let total = total.unwrap_or(deployment.timeouts.total);
        return Waits { started, total, idle: total };
    }
    let idle = call.stream_timeout.or_else(|| seconds("x-litellm-stream-timeout")).or(total);
    Waits { started, total: deployment.timeouts.stream_total, idle: idle.unwrap_or(deployment.timeouts.idle) }
}

/// What a request takes with it to the provider.
struct Forward {
    snapshot: Arc<Snapshot>,
    call: Box<Call>,
    routed: Routed,
    waits: Waits,
    client: HeaderMap,
}

async fn forward(
    worker: &Arc<Worker>,
    forward: Forward,
    mut settle: Box<Settle>,
) -> Outcome<Response<OutBody>> {
    let Forward { snapshot, call, routed, waits, client } = forward;
    let prepared = attempt::edit(&call, &routed).and_then(|edited| {
        let Edited { body, usage_added, dropped } = edited;
        Prepared::new(&call, routed, snapshot.clone(), client, body, waits)
            .map(|prepared| (prepared, usage_added, dropped))
    });
    let (prepared, usage_added, mut dropped) = prepared.inspect_err(|fault| settle.fail(fault.kind))?;
    dropped.extend_from_slice(prepared.dropped_betas());
    worker.metrics.dropped_params.add(u64::try_from(dropped.len()).unwrap_or_default());
    settle.sent();
    let reply = Reply { worker, waits, dropped };
    if !call.stream {
        let answer =
            attempt::run(worker.clone(), prepared).await.inspect_err(|fault| settle.refused_by(fault))?;
        return reply.whole(answer, settle, &call).await;
    }
    let terms = Terms {
        waits,
        options: RelayOptions {
            endpoint: call.endpoint,
            shown_model: Some(call.model.clone()),
            withhold_usage: usage_added,
            max_event: 0,
        },
        keepalive: snapshot.settings.keepalive,
        expose_auth: snapshot.settings.expose_upstream_auth,
    };
    drop(snapshot);
    let mut pending = Box::pin(attempt::run(worker.clone(), prepared));
    if !terms.keepalive.is_zero() {
        tokio::select! {
            biased;
            answer = &mut pending => {
                let answer = answer.inspect_err(|fault| settle.refused_by(fault))?;
                return reply.events(answer, settle, terms, &call).await;
            }
            () = sleep_until(waits.started + terms.keepalive) => {}
        }
        return Ok(reply.awaited(pending, settle, terms));
    }
    let answer = pending.await.inspect_err(|fault| settle.refused_by(fault))?;
    reply.events(answer, settle, terms, &call).await
}

/// How an answer is given.
struct Reply<'w> {
    worker: &'w Arc<Worker>,
    waits: Waits,
    dropped: Vec<String>,
}

impl Reply<'_> {
    async fn whole(
        self,
        answer: Response<AnswerBody>,
        mut settle: Box<Settle>,
        call: &Call,
    ) -> Outcome<Response<OutBody>> {
        settle.answered();
        let (head, body) = answer.into_parts();
        if respond::is_event_stream(&head.headers) {
            return Err(self.not_what_was_asked(settle, call));
        }
        let deployment = &settle.exchange.routed.deployment;
        let decoder = Decoder::of(&head.headers);
        let mut headers = respond::client_headers(head.headers, &self.worker.names, deployment);
        let Buffered { body, settle } = respond::buffered(decoder, body, settle, &self.waits).await?;
        self.tell(&mut headers, settle.as_deref());
        Ok(respond::response(head.status, headers, body))
    }

    async fn events(
        self,
        answer: Response<AnswerBody>,
        mut settle: Box<Settle>,
        terms: Terms,
        call: &Call,
    ) -> Outcome<Response<OutBody>> {
        settle.answered();
        // A provider that does not stream answers in one piece; so does the gateway then.
        if !respond::is_event_stream(answer.headers()) {
            return self.whole(answer, settle, call).await;
        }
        let (head, body) = answer.into_parts();
        let deployment = &settle.exchange.routed.deployment;
        let Ok(decoder) = Decoder::of(&head.headers) else {
            return Err(self.not_what_was_asked(settle, call));
        };
        let mut headers = respond::client_headers(head.headers, &self.worker.names, deployment);
        let relaying = respond::streamed(body, decoder, settle, terms).await?;
        respond::add_stream_headers(&mut headers);
        self.tell(&mut headers, Some(relaying.settle()));
        Ok(respond::response(head.status, headers, OutBody::Relay(relaying)))
    }

    fn awaited(self, pending: respond::Pending, settle: Box<Settle>, terms: Terms) -> Response<OutBody> {
        let relaying = respond::awaited(pending, settle, terms);
        let mut headers = HeaderMap::with_capacity(24);
        headers
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        respond::add_stream_headers(&mut headers);
        self.tell(&mut headers, Some(relaying.settle()));
        respond::response(StatusCode::OK, headers, OutBody::Relay(relaying))
    }

    fn not_what_was_asked(&self, mut settle: Box<Settle>, call: &Call) -> Box<Fault> {
        settle.fail(ErrorKind::UpstreamBadAnswer);
        let wanted = if call.stream { "a readable stream" } else { "JSON" };
        Fault::new(
            ErrorKind::UpstreamBadAnswer,
            format!(
                "litellm.InternalServerError: InternalServerError: {} - the answer was not {wanted}",
                settle.exchange.routed.deployment.provider.exception
            ),
        )
    }

    fn tell(&self, headers: &mut HeaderMap, settle: Option<&Settle>) {
        let Some(settle) = settle else { return };
        let exchange = &settle.exchange;
        let (total, upstream) = settle.spent_so_far();
        self.worker.metrics.overhead.observe(total.saturating_sub(upstream));
        let facts = Facts {
            call_id: &exchange.call_id,
            deployment: Some(&exchange.routed.deployment),
            key: exchange.caller.key(),
            permit: settle.permit(),
            cost: settle.cost(),
            total,
            upstream,
            timeout: Some(self.waits.total),
            dropped: &self.dropped,
        };
        respond::add_facts(headers, &facts);
    }
}

impl Known {
    /// What goes with an error after the caller is known; nothing does before.
    fn tell(&self, worker: &Worker, arrived: Instant, headers: &mut HeaderMap) {
        let Some(call_id) = &self.call_id else { return };
        let total = arrived.elapsed();
        let facts = Facts {
            call_id,
            deployment: self.deployment.as_deref(),
            key: None,
            permit: None,
            cost: None,
            total,
            upstream: self.asked.map_or(Duration::ZERO, |asked| asked.elapsed()),
            timeout: self.timeout,
            dropped: &[],
        };
        respond::add_facts(headers, &facts);
        headers.insert("x-litellm-response-cost", HeaderValue::from_static("0"));
        if let Some((snapshot, key)) = &self.key {
            let spent = admission::spent(&worker.node.gate, snapshot, key);
            if let Ok(value) = HeaderValue::try_from(spent.to_string()) {
                headers.insert("x-litellm-key-spend", value);
            }
        }
    }
}
