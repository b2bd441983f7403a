//! What requests pass before anybody looks for their route.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_front::{Cors, RootPath, client_address};
use bulkhead_model::ErrorKind;
use bulkhead_snapshot::Listener;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::access_log::{AccessLog, Line};
use super::capacity::{Capacity, Place};
use crate::fault::{Fault, Outcome};
use crate::receive::{Plain, Route, is_known, route};
use crate::respond::OutBody;
use crate::worker::Worker;

/// What flags say of the inference listener, and what all its connections share.
#[derive(Default)]
pub(crate) struct Front {
    pub(crate) root: RootPath,
    pub(crate) cors: Option<Cors>,
    pub(crate) log: AccessLog,
    pub(crate) capacity: Capacity,
}

/// Where the requests of one connection come in.
pub(super) struct Door {
    pub(super) worker: Arc<Worker>,
    /// The other end of the connection.
    pub(super) peer: IpAddr,
}

/// A request at the door.
pub(super) struct Entering {
    /// For the answer to a browser.
    pub(super) origin: Option<HeaderValue>,
    pub(super) line: Option<Box<Line>>,
    pub(super) decision: Decision,
}

/// Whether it comes in.
pub(super) enum Decision {
    /// It does; where there is a limit, with a place of its own.
    Pass(Option<Place>),
    /// It was a browser's question, which needs no key.
    Answered(Response<OutBody>),
    /// It does not.
    Refused(Box<Fault>),
}

impl Door {
    /// Looks at the head of a request. From here on its path is the one that is routed.
    pub(super) fn enter<B>(&self, arrived: tokio::time::Instant, request: &mut Request<B>) -> Entering {
        let node = &self.worker.node;
        node.front.root.strip(request.uri_mut(), is_known);
        let snapshot = node.snapshot.load();
        let rules = snapshot.as_deref().map(|snapshot| &snapshot.settings.listener);
        let line = node
            .front
            .log
            .is_on(rules.is_some_and(|rules| rules.access_log))
            .then(|| Line::begin(node, self.client(rules, request.headers()), arrived, request));
        let mut entering = Entering { origin: None, line, decision: Decision::Pass(None) };
        if let Some(cors) = &node.front.cors {
            if let Some(preflight) = cors.preflight(request.method(), request.headers()) {
                entering.decision = Decision::Answered(preflight_answer(preflight));
                return entering;
            }
            entering.origin = request.headers().get(ORIGIN).cloned();
        }
        if let Some(rules) = rules {
            entering.decision = self.decide(rules, request).map_or_else(Decision::Refused, Decision::Pass);
        }
        entering
    }

    /// Whether the rules let a request in: by where it comes from, and by how many are in already.
    fn decide<B>(&self, rules: &Listener, request: &Request<B>) -> Outcome<Option<Place>> {
        if rules.allowed_ips.is_empty() && rules.max_in_flight.is_none() {
            return Ok(None);
        }
        let route = route(request.method(), request.uri().path());
        if let Route::Plain(Plain::Liveliness | Plain::Readiness) = route {
            return Ok(None);
        }
        let endpoint = match route {
            Route::Inference(inference) => Some(inference.endpoint),
            _ => None,
        };
        let refused = |fault: Box<Fault>| {
            self.worker.metrics.refused(endpoint, fault.kind);
            fault
        };
        self.allow(rules, request.headers()).map_err(refused)?;
        match (rules.max_in_flight, endpoint) {
            (Some(most), Some(_)) => self.worker.node.front.capacity.enter(most).map(Some).map_err(refused),
            _ => Ok(None),
        }
    }

    fn allow(&self, rules: &Listener, headers: &HeaderMap) -> Outcome<()> {
        if rules.allowed_ips.is_empty() {
            return Ok(());
        }
        let client = self.client(Some(rules), headers);
        if rules.allowed_ips.iter().any(|network| network.contains(client)) {
            return Ok(());
        }
        let message = format!("Access forbidden: IP address {client} not allowed.");
        Err(Fault::new(ErrorKind::AddressDenied, message).param("None"))
    }

    fn client(&self, rules: Option<&Listener>, headers: &HeaderMap) -> IpAddr {
        let trusted = |address| {
            rules.is_some_and(|rules| rules.trusted_proxies.iter().any(|network| network.contains(address)))
        };
        client_address(self.peer, headers, trusted)
    }
}

fn preflight_answer(preflight: bulkhead_front::Preflight) -> Response<OutBody> {
    let (status, text) = preflight.answer();
    let mut response = Response::new(OutBody::full(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    *response.headers_mut() = preflight.headers;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}
