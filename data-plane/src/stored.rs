//! `/v1/responses/{id}` and what is below it: answers that a provider keeps, for those whose they are.
//!
//! Each counts as a request in the caller's limits and costs nothing: what the answer cost was charged when it was made.

use bulkhead_dialect::answer;
use bulkhead_model::{Endpoint, ErrorKind};
use bulkhead_snapshot::{Deployment, Snapshot};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use tokio::time::{Instant, timeout_at};

use crate::admission;
use crate::admit::Ask;
use crate::apart::apart;
use crate::attempt::{self, Prepared, Waits, bad_answer, connection_lost, timed_out};
use crate::bound::{Bond, Named, named, not_found};
use crate::fault::{Fault, Outcome};
use crate::identify::{Caller, Meant, identify, permit_route};
use crate::listener::LogEntry;
use crate::receive::{Action, Stored};
use crate::respond::{
    self, Decoder, Facts, OutBody, add_facts, client_headers, is_event_stream, shown_to_client,
};
use crate::worker::Worker;

/// A larger answer is none.
const LARGEST: usize = 16 << 20;
/// Parameters of a query that say what of an answer is wanted.
const TAKEN: &[&str] =
    &["include", "include[]", "include%5B%5D", "include%5b%5d", "limit", "order", "after", "before"];

/// Who asks for what.
struct Asked<'r> {
    worker: &'r Worker,
    snapshot: &'r Snapshot,
    caller: Caller,
    client: &'r HeaderMap,
    started: Instant,
}

/// Answers with what the provider says.
pub(crate) async fn stored(
    worker: &Worker,
    head: &Parts,
    path: &str,
    stored: Stored<'_>,
    call_id: HeaderValue,
) -> Outcome<Response<OutBody>> {
    let started = Instant::now();
    let snapshot = worker.node.snapshot.load_full().ok_or_else(|| worker.node.not_ready())?;
    let caller = identify(&snapshot, &head.headers, worker.node.clock.now())?;
    permit_route(&caller, path, Some(Endpoint::Responses))?;
    if let Some(log) = head.extensions.get::<LogEntry>() {
        log.caller(&caller);
    }
    let asked = Asked { worker, snapshot: &snapshot, caller, client: &head.headers, started };
    let (bond, deployment) = asked.find(stored.id)?;
    let query = query(head.uri.query().unwrap_or_default(), stored.action)?;
    let _permit = asked.admit().await?;
    let path = deployment.stored_path(&bond.said, stored.action.below(), &query);
    let path = path.map_err(|_| not_found("Response", stored.id))?;
    let mut answered = asked.ask(deployment, stored.action.method(), path).await.map_err(|mut fault| {
        if fault.provider_status == Some(404) {
            return not_found("Response", stored.id);
        }
        fault.rename(&bond.said, stored.id);
        fault
    })?;
    let facts = Facts { deployment: Some(deployment), ..Facts::of_nothing(&call_id, started.elapsed()) };
    add_facts(answered.headers_mut(), &facts);
    asked.shown(&bond, deployment, answered).await
}

impl Asked<'_> {
    /// The response that an id means to the caller, and where it is.
    fn find(&self, id: &str) -> Outcome<(Bond, &Deployment)> {
        let bond = match named(&self.snapshot.settings, &self.caller, id) {
            Some(Named::Sealed(bond)) => bond,
            // Which provider has it is not known.
            Some(Named::Unmanaged) | None => return Err(not_found("Response", id)),
        };
        let found = self.snapshot.models.deployment(&bond.deployment);
        let keeps = |deployment: &Deployment| {
            deployment.upstream(Endpoint::Responses, deployment.model.text()) == Some(Endpoint::Responses)
        };
        let found = found.filter(|(_, deployment)| keeps(deployment));
        let Some((group, deployment)) = found else {
            let message = format!(
                "Response with id '{id}' not found. The deployment that keeps it is no longer declared."
            );
            return Err(Fault::new(ErrorKind::ResponseNotFound, message));
        };
        match self.caller.forbidden(Meant::plain(&group.name), group) {
            None => Ok((bond, deployment)),
            Some(kind) => {
                let message = format!(
                    "The response is of model '{}', which is not available for this API key.",
                    group.name
                );
                Err(Fault::new(kind, message).param("model"))
            }
        }
    }

    async fn admit(&self) -> Outcome<crate::admit::Permit> {
        let claims = admission::claims(self.snapshot, &self.caller);
        let gate = &self.worker.node.gate;
        admission::admit(gate, self.snapshot, &self.caller, &claims, Ask::default()).await
    }

    /// The whole answer of the provider.
    async fn ask(
        &self,
        deployment: &Deployment,
        method: Method,
        path: http::uri::PathAndQuery,
    ) -> Outcome<Response<Bytes>> {
        let waits = self.waits(deployment);
        let settings = &self.snapshot.settings;
        let prepared = Prepared::of_stored(method, path, deployment, settings, self.client, waits);
        let (head, mut body) = attempt::run(self.worker, prepared).await?.into_parts();
        let unreadable = || bad_answer(deployment, "the answer could not be read");
        let mut decoder = Decoder::of(&head.headers).map_err(|_| unreadable())?;
        let mut text = BytesMut::new();
        loop {
            let deadline = waits.next_byte();
            match timeout_at(deadline, std::future::poll_fn(|cx| body.poll_chunk(cx))).await {
                Err(_) => return Err(timed_out(&waits, waits.limit_at(deadline))),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(connection_lost(deployment)),
                Ok(Some(Ok(chunk))) => {
                    text.extend_from_slice(&decoder.feed(chunk, LARGEST).map_err(|_| unreadable())?);
                }
            }
            if text.len() > LARGEST {
                return Err(unreadable());
            }
        }
        if is_event_stream(&head.headers) {
            return Err(unreadable());
        }
        let headers = client_headers(head.headers, &self.worker.names, deployment);
        let mut answered = Response::new(text.freeze());
        *answered.status_mut() = head.status;
        *answered.headers_mut() = headers;
        Ok(answered)
    }

    /// As the client knows it: with its id, and with the group's name as the model's where that is one name.
    async fn shown(
        &self,
        bond: &Bond,
        deployment: &Deployment,
        answered: Response<Bytes>,
    ) -> Outcome<Response<OutBody>> {
        let (head, text) = answered.into_parts();
        let sealing = bond.sealing(&self.snapshot.settings);
        let name = (!deployment.group.contains('*')).then(|| deployment.group.to_string());
        let sealed = apart(text.len(), move || {
            let model = answer::read(Endpoint::Responses, &text)?.model.filter(|_| name.is_some());
            Some(shown_to_client(text, model, &name.unwrap_or_default(), Some(&sealing)))
        });
        let Some(text) = sealed.await.flatten() else {
            return Err(bad_answer(deployment, "the answer could not be read"));
        };
        Ok(respond::response(head.status, head.headers, OutBody::full(text)))
    }

    fn waits(&self, deployment: &Deployment) -> Waits {
        let timeouts = &deployment.timeouts;
        let overall = self.started + self.snapshot.settings.overall_timeout;
        Waits {
            started: self.started,
            connect: timeouts.connect,
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            total: timeouts.total,
            overall,
            end: (self.started + timeouts.total).min(overall),
        }
    }
}

/// What of a query goes to the provider.
fn query(query: &str, action: Action) -> Outcome<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    if action == Action::Read && pairs.clone().any(|pair| pair == ("stream", "true")) {
        let message = "A stored response cannot be streamed here. Ask without 'stream', again and again while its \
                       status is 'queued' or 'in_progress'.";
        return Err(Fault::field("stream", message));
    }
    let taken = pairs.filter(|(name, _)| TAKEN.contains(name)).map(|(name, value)| format!("{name}={value}"));
    Ok(taken.collect::<Vec<_>>().join("&"))
}
