//! What requests of the management API pass before they are routed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::ORIGIN;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use bulkhead_front::{Cors, Preflight, RootPath, is_canonical};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::api::PAGES;
use crate::api::route::Route;

/// What flags say of it.
pub(super) struct Front {
    pub(super) root: RootPath,
    pub(super) cors: Option<Cors>,
}

/// The same, with the routes that are behind it.
pub(super) struct Entrance {
    front: Front,
    routes: Vec<Arc<Route>>,
}

impl Front {
    pub(super) fn before(self, routes: &[Arc<Route>]) -> Arc<Entrance> {
        Arc::new(Entrance { front: self, routes: routes.to_vec() })
    }
}

impl Entrance {
    pub(super) fn root(&self) -> &RootPath {
        &self.front.root
    }

    fn is_route(&self, path: &str) -> bool {
        PAGES.contains(&path) || self.routes.iter().any(|route| route.fits(path))
    }

    /// Answers a request. Its path is from here on the one that is routed.
    pub(super) async fn answer(
        self: Arc<Self>,
        app: TowerToHyperService<Router>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        self.front.root.strip(request.uri_mut(), |path| self.is_route(path));
        let origin = request.headers().get(ORIGIN).cloned();
        let cors = self.front.cors.as_ref();
        if let Some(preflight) = cors.and_then(|cors| cors.preflight(request.method(), request.headers())) {
            return Ok(preflight_answer(preflight));
        }
        let mut response = if is_canonical(request.uri().path()) {
            app.call(request).await?
        } else {
            let nothing = serde_json::json!({"detail": "Not Found"});
            (StatusCode::NOT_FOUND, axum::Json(nothing)).into_response()
        };
        if let Some(cors) = cors {
            cors.mark(origin.as_ref(), response.headers_mut());
        }
        Ok(response)
    }
}

fn preflight_answer(preflight: Preflight) -> Response<Body> {
    let (status, text) = preflight.answer();
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, preflight.headers, text).into_response()
}
