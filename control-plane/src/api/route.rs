//! The table of routes: the router, the OpenAPI document and `/routes` all come from it.

use std::future::Future;
use std::pin::Pin;

use axum::http::Method;
use axum::response::Response;
use serde_json::Value;

use super::auth::Access;
use super::call::Call;
use super::refusal::{Refusal, Style};
use crate::domain::body::Body;

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// A route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    pub(crate) style: Style,
    /// The schema of the body.
    pub(crate) body: Option<fn() -> Value>,
    /// Parameters of the query and their types.
    pub(crate) query: &'static [(&'static str, &'static str)],
    pub(crate) handler: Box<dyn Fn(Call) -> Answering + Send + Sync>,
}

impl Route {
    fn new<F>(
        method: Method,
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        let access = if method == Method::GET { Access::Viewer } else { Access::Admin };
        let handler = Box::new(move |call| -> Answering { Box::pin(handler(call)) });
        Self { method, path, summary, access, style: Style::Error, body: None, query: &[], handler }
    }

    /// Reads; for admins and those who may see what they see.
    pub(crate) fn get<F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        Self::new(Method::GET, path, summary, handler)
    }

    /// Changes something with a body; for admins.
    pub(crate) fn post<B: Body, F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        Self { body: Some(B::schema), ..Self::new(Method::POST, path, summary, handler) }
    }

    /// Changes some fields; for admins.
    pub(crate) fn patch<B: Body, F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        Self { body: Some(B::schema), ..Self::new(Method::PATCH, path, summary, handler) }
    }

    /// Removes; for admins.
    pub(crate) fn delete<F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response, Refusal>> + Send + 'static,
    {
        Self::new(Method::DELETE, path, summary, handler)
    }

    /// Asks something else of the caller.
    pub(crate) fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Says what is wrong in FastAPI's form.
    pub(crate) fn detail(self) -> Self {
        Self { style: Style::Detail, ..self }
    }

    /// Takes parameters in the query.
    pub(crate) fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// True for a path that is this route's.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let (mut parts, mut wanted) = (path.split('/'), self.path.split('/'));
        loop {
            match (parts.next(), wanted.next()) {
                (None, None) => return true,
                (Some(part), Some(wanted))
                    if part == wanted || wanted.starts_with('{') && !part.is_empty() => {}
                _ => return false,
            }
        }
    }

    /// True where it changes nothing.
    pub(crate) fn reads(&self) -> bool {
        self.access != Access::Admin
    }
}
