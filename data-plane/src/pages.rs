//! Routes that need no provider: probes, and signposts for those who look in the wrong place.

use bulkhead_model::ErrorKind;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::fault::{Fault, Outcome};
use crate::receive::{Plain, Takes};
use crate::respond::OutBody;
use crate::worker::Worker;

/// Answers a route that needs no key.
pub(crate) fn plain(worker: &Worker, plain: Plain) -> Outcome<Response<OutBody>> {
    match plain {
        Plain::Liveliness => Ok(json(StatusCode::OK, r#""I'm alive!""#)),
        Plain::Readiness => Ok(readiness(worker)),
        Plain::Root => Ok(json(StatusCode::OK, r#"{"name":"bulkhead","inference":"/v1","models":"/v1/models"}"#)),
        Plain::Metrics => Err(signpost(format!(
            "Metrics are not on the inference port. Scrape the operations port: http://{}/metrics",
            worker.node.ops_address
        ))),
        Plain::Ui => Err(signpost(
            "The dashboard is served by the control plane (`control-plane serve`, port 4001), not by a data plane."
                .to_owned(),
        )),
    }
}

fn readiness(worker: &Worker) -> Response<OutBody> {
    if worker.node.is_draining() {
        return json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"shutting_down"}"#);
    }
    if worker.node.snapshot.load().is_none() {
        return json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting"}"#);
    }
    json(StatusCode::OK, r#"{"status":"healthy","db":"Not connected"}"#)
}

/// A route of the management API on a gateway that does not forward it.
pub(crate) fn management(worker: &Worker, path: &str) -> Outcome<Response<OutBody>> {
    if worker.node.link.is_some() {
        return Err(signpost(format!(
            "'{path}' is part of the management API, which the control plane serves on its own port (4001 by \
             default). To have it here, too, start the data plane with `--management-url`."
        )));
    }
    Err(signpost(format!(
        "'{path}' is part of the management API, which this gateway does not serve: it runs standalone, from its \
         configuration file. Declare keys there under `virtual_keys` (the fields of /key/generate) and models under \
         `model_list`; changes are picked up while it runs. For the API, run `control-plane serve` and start the data \
         plane with `--control-plane` and `--management-url`."
    )))
}

fn signpost(message: String) -> Box<Fault> {
    Fault::new(ErrorKind::NotFound, message)
}

/// A path that nobody serves, in the words of LiteLLM's framework.
pub(crate) fn not_found() -> Response<OutBody> {
    json(StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#)
}

/// A path that is served with another method.
pub(crate) fn wrong_method(takes: Takes) -> Response<OutBody> {
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, r#"{"detail":"Method Not Allowed"}"#);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(takes.name()));
    response
}

fn json(status: StatusCode, text: &'static str) -> Response<OutBody> {
    json_bytes(status, Bytes::from_static(text.as_bytes()))
}

/// A JSON answer.
pub(crate) fn json_bytes(status: StatusCode, text: Bytes) -> Response<OutBody> {
    let mut response = Response::new(OutBody::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
