//! One leg: a request at one deployment, up to the first content of its answer.

use bulkhead_dialect::bound::Sealing;
use bulkhead_dialect::translate::{Back, Dialect, Plan};
use bulkhead_model::{Endpoint, ErrorKind, NanoUsd, UnixMillis};
use bulkhead_pricing::Rates;
use bulkhead_snapshot::{Deployment, Resolved};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use tokio::time::{Duration, Instant};

use super::Journey;
use crate::admission;
use crate::admit::Permit;
use crate::attempt::{self, Changes, Edited, Hosted, Prepared, Waits};
use crate::bound::sealing;
use crate::counted::{self, ESTIMATED};
use crate::fault::Outcome;
use crate::read::{Detour, Size};
use crate::respond::{
    self, AnswerTerms, Buffered, Decoder, Earlier, Facts, Failed, OutBody, Terms, Translation,
};
use crate::route::{Picked, Routed, Rule};
use crate::settle::{Exchange, Settle};
use crate::upstream::AnswerBody;

impl Journey {
    /// Sends the request to a deployment and waits until something of the answer can be sent. Where there is none, the
    /// leg is kept: what it holds goes on to the next.
    pub(super) async fn leg(
        &mut self,
        resolved: &Resolved<'_, '_>,
        picked: Picked,
        detour: &Detour,
        served: Option<String>,
    ) -> Outcome<Response<OutBody>> {
        let rates = picked.routed.deployment.rates_of(&picked.routed.model, &self.snapshot.prices);
        let size = detour.size(&self.call);
        let permit = self.permit(&picked.routed, rates.as_ref(), size).await?;
        self.asks(&picked);
        let Picked { routed, visit, by } = picked;
        let waits = self.waits(&routed.deployment);
        self.way.progress.leg += 1;
        let exchange = Exchange {
            endpoint: self.call.endpoint,
            call_id: self.call_id.clone(),
            asked: self.call.model.clone(),
            served,
            group: resolved.group.clone(),
            progress: self.way.progress,
            fell_back: self.fell_back(),
            litellm_metrics: self.snapshot.settings.litellm_metrics,
            trace: self.trace,
            rule: Rule::of(resolved, detour, routed.deployment.order, by),
            callers_time: self.callers_time.is_some(),
            timeout: waits.total,
            caller: self.caller.clone(),
            routed,
            rates,
            stream: self.call.stream,
            tags: self.call.tags.clone(),
            end_user: self.call.end_user.clone(),
            input_estimate: size.input,
            background: self.call.is_background(),
            arrived: self.arrived,
            started_at: self.began_at(&waits),
            log: self.log.clone(),
        };
        let settle = Settle::new(&self.worker, exchange, permit, visit);
        self.attempt(settle, detour, waits).await.map_err(|Failed { fault, mut settle }| {
            settle.leave();
            self.way.last = Some(settle);
            fault
        })
    }

    /// Of the first leg the admission; of a later one what the one before held, and more where it may cost more.
    async fn permit(&mut self, routed: &Routed, rates: Option<&Rates>, size: Size) -> Outcome<Permit> {
        let claims = admission::claims(&self.snapshot, &self.caller);
        let ask = admission::ask(&self.worker, &self.call, size, routed, rates, &claims);
        let gate = &self.worker.node.gate;
        if let Some(last) = &mut self.way.last {
            last.raise(&claims, ask)
                .map_err(|refused| admission::refusal(refused, &self.caller, &self.snapshot))?;
            self.way.progress.waited = last.spent_so_far().1;
        }
        match self.way.last.take().and_then(Settle::hand_on) {
            Some(permit) => Ok(permit),
            None => admission::admit(gate, &self.snapshot, &self.caller, &claims, ask).await,
        }
    }

    async fn attempt(
        &self,
        mut settle: Box<Settle>,
        detour: &Detour,
        waits: Waits,
    ) -> Result<Response<OutBody>, Failed> {
        let exchange = settle.exchange.clone();
        let Routed { deployment, model, .. } = &exchange.routed;
        let to = deployment.upstream(self.call.endpoint, model).unwrap_or(self.call.endpoint);
        let (prepared, mut changes) = match self.prepare(&exchange.routed, to, detour, waits).await {
            Ok(prepared) => prepared,
            Err(fault) => {
                settle.fail(fault.kind);
                return Err(Failed { fault, settle });
            }
        };
        self.worker.metrics.dropped_params.add(u64::try_from(changes.dropped.len()).unwrap_or_default());
        settle.sent();
        let more = std::mem::take(&mut changes.more);
        let sent = match more.is_empty() {
            true => attempt::run(&self.worker, prepared).await.map(|answer| (answer, Earlier::default())),
            false => self.in_parts(prepared, more, &mut settle, &waits).await,
        };
        let (answer, earlier) = match sent {
            Ok(sent) => sent,
            Err(fault) if counted::is_refused(to, &fault) => {
                let reply = Reply { journey: self, waits, to, changes, earlier: Earlier::default() };
                return reply.estimate(settle, fault);
            }
            Err(mut fault) => {
                settle.refused_by(&fault);
                if let Some(bonds) = &self.call.bonds {
                    bonds.shown_in(&mut fault);
                }
                return Err(Failed { fault, settle });
            }
        };
        settle.answered();
        let reply = Reply { journey: self, waits, to, changes, earlier };
        let told = self.told_at.is_some_and(|told_at| Instant::now() >= told_at);
        match (self.call.stream, respond::is_event_stream(answer.headers())) {
            (true, true) => reply.events(answer, settle).await,
            // A provider that does not stream answers in one piece; so does the gateway then.
            (_, false) if !told => reply.whole(answer, settle).await,
            (_, false) => Err(not_what_was_asked(settle, "a readable stream")),
            (false, true) => Err(not_what_was_asked(settle, "JSON")),
        }
    }

    /// The request as it leaves, and what its answer has to know.
    async fn prepare<'r>(
        &'r self,
        routed: &'r Routed,
        to: Endpoint,
        detour: &Detour,
        waits: Waits,
    ) -> Outcome<(Prepared<'r>, Changes)> {
        let (call, snapshot, instead) = (&self.call, &self.snapshot, &detour.instead);
        let hosted = Hosted::of(routed, to, &self.client, &snapshot.settings);
        let edited = match to == call.endpoint {
            true => attempt::edit(call, routed, instead, &hosted).await?,
            false => attempt::translate(call, routed, to, instead, &hosted, &snapshot.prices).await?,
        };
        let Edited { body, mut changes } = edited;
        changes.dropped.extend_from_slice(&hosted.dropped);
        let prepared = Prepared::new(call, routed, to, &snapshot.settings, &self.client, body, waits)?;
        Ok((prepared.saying(hosted), changes))
    }

    fn fell_back(&self) -> Option<(Box<str>, ErrorKind)> {
        let failures = &self.way.failures;
        let (asked_for, _) = failures.first()?;
        failures.last().map(|(_, failure)| (asked_for.group.name.clone(), *failure))
    }

    /// The first leg begins with its request.
    fn began_at(&self, waits: &Waits) -> UnixMillis {
        let now = self.worker.node.clock.now();
        let before = if self.way.progress.leg <= 1 {
            waits.started.saturating_duration_since(self.arrived)
        } else {
            Duration::ZERO
        };
        UnixMillis(now.0.saturating_sub_unsigned(u64::try_from(before.as_millis()).unwrap_or(0)))
    }

    /// The caller's timeouts where it sent some, else the deployment's.
    fn waits(&self, deployment: &Deployment) -> Waits {
        let (started, overall) = (Instant::now(), self.overall);
        let timeouts = &deployment.timeouts;
        let connect = timeouts.connect;
        let own = self.callers_time;
        if !self.call.stream {
            let total = own.unwrap_or(timeouts.total);
            let first_byte = own.unwrap_or(timeouts.first_byte);
            let idle = timeouts.idle;
            let end = (started + total).min(overall);
            return Waits { started, connect, first_byte, idle, total, overall, end };
        }
        Waits {
            started,
            connect,
            first_byte: own.unwrap_or(timeouts.stream_first_byte),
            idle: own.unwrap_or(timeouts.stream_idle),
            total: timeouts.stream_total,
            overall,
            end: started + timeouts.stream_total,
        }
    }
}

/// How an answer is given.
pub(super) struct Reply<'j> {
    pub(super) journey: &'j Journey,
    waits: Waits,
    /// The provider's endpoint.
    to: Endpoint,
    changes: Changes,
    earlier: Earlier,
}

impl Reply<'_> {
    async fn whole(
        mut self,
        answer: Response<AnswerBody>,
        settle: Box<Settle>,
    ) -> Result<Response<OutBody>, Failed> {
        let (head, body) = answer.into_parts();
        let decoder = Decoder::of(&head.headers);
        self.earlier.add_input(&head.headers);
        let mut headers = self.headers(head.headers, &settle);
        let terms = AnswerTerms {
            upstream: self.to,
            translation: self.translation(&settle),
            sealing: self.sealing(&settle),
            expose_auth: self.journey.snapshot.settings.expose_upstream_auth,
        };
        let buffered = respond::buffered(decoder, body, settle, &self.waits, terms).await?;
        if self.changes.back.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if buffered.is_estimate {
            headers.insert(ESTIMATED, HeaderValue::from_static("usage"));
        }
        self.tell(&mut headers, buffered.settle(), buffered.settle().and_then(Settle::cost));
        // What it used counts before it is told.
        let Buffered { body, settle, is_estimate: _ } = buffered;
        drop(settle);
        Ok(respond::response(head.status, headers, body))
    }

    async fn events(
        mut self,
        answer: Response<AnswerBody>,
        settle: Box<Settle>,
    ) -> Result<Response<OutBody>, Failed> {
        let (head, body) = answer.into_parts();
        let Ok(decoder) = Decoder::of(&head.headers) else {
            return Err(not_what_was_asked(settle, "a readable stream"));
        };
        // Bedrock puts other makers' events into its own frames.
        let framed = self.to == Endpoint::Messages && respond::is_framed(&head.headers);
        let translated =
            match self.translation(&settle).map(|it| it.stream(settle.exchange.shown().to_owned())) {
                Some(None) => return Err(not_what_was_asked(settle, "JSON")),
                translated => translated.flatten(),
            };
        let settings = &self.journey.snapshot.settings;
        let terms = Terms {
            waits: self.waits,
            upstream: self.to,
            framed,
            translated,
            sealing: self.sealing(&settle),
            withhold_usage: self.changes.usage_added,
            keepalive: respond::keepalive(&self.journey.call, settings.keepalive),
            expose_auth: settings.expose_upstream_auth,
        };
        let mut headers = self.headers(head.headers, &settle);
        let relaying = respond::streamed(body, decoder, settle, terms).await?;
        respond::add_stream_headers(&mut headers);
        if self.changes.back.is_some() || self.journey.call.as_array || framed {
            headers.insert(CONTENT_TYPE, respond::stream_type(&self.journey.call));
        }
        // Whether the head of a stream knows its cost would depend on how its events arrive.
        self.tell(&mut headers, Some(relaying.settle()), None);
        Ok(respond::response(head.status, headers, OutBody::Relay(relaying)))
    }

    fn translation(&mut self, settle: &Settle) -> Option<Translation> {
        let Journey { call, worker, .. } = self.journey;
        // An array is made of Google's own events, too.
        let same = || Back::Conversation(Dialect::Gemini, Dialect::Gemini, Plan::default());
        let back = self.changes.back.clone().or_else(|| call.as_array.then(same))?;
        Some(Translation {
            back,
            earlier: std::mem::take(&mut self.earlier),
            id: settle.exchange.call_id.to_str().unwrap_or_default().to_owned(),
            now: worker.node.clock.now(),
            json_array: call.as_array,
        })
    }

    /// What clients of Responses get for what only this deployment can use. A translated answer has nothing of that.
    fn sealing(&self, settle: &Settle) -> Option<Sealing> {
        let Journey { call, snapshot, caller, .. } = self.journey;
        let is_theirs = self.to == Endpoint::Responses && call.endpoint == self.to;
        is_theirs.then(|| sealing(&snapshot.settings, caller, &settle.exchange.routed.deployment))
    }

    fn headers(&self, provider: HeaderMap, settle: &Settle) -> HeaderMap {
        respond::client_headers(provider, &self.journey.worker.names, &settle.exchange.routed.deployment)
    }

    pub(super) fn tell(&self, headers: &mut HeaderMap, settle: Option<&Settle>, cost: Option<NanoUsd>) {
        let Some(settle) = settle else { return };
        let exchange = &settle.exchange;
        let (total, upstream) = settle.spent_so_far();
        self.journey.worker.metrics.overhead.observe(total.saturating_sub(upstream));
        let facts = Facts {
            call_id: &exchange.call_id,
            deployment: Some(&exchange.routed.deployment),
            key: exchange.caller.key(),
            permit: settle.permit(),
            cost,
            total,
            upstream,
            timeout: Some(exchange.timeout),
            dropped: &self.changes.dropped,
            progress: exchange.progress,
        };
        respond::add_facts(headers, &facts);
    }
}

fn not_what_was_asked(settle: Box<Settle>, wanted: &str) -> Failed {
    Failed::bad_answer(settle, &format!("the answer was not {wanted}"))
}
