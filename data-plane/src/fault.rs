//! A failed request: what went wrong, and how the client is told.

use std::borrow::Cow;
use std::time::Duration;

use bulkhead_dialect::error::{ErrorBody, bedrock, render};
use bulkhead_model::{Dialect, ErrorKind};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};

use crate::respond::OutBody;

/// Why a request failed. The message is written for the client; internal causes are logged where they happen and
/// never come here.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    status: u16,
    message: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
    /// OpenAI's `code` where clients go by it; LiteLLM says the status there.
    code: Option<&'static str>,
    /// Whole seconds.
    retry_after: Option<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The provider may have worked all the same: nobody can say what it will bill.
    pub(crate) in_doubt: bool,
    /// The status that the provider answered with.
    pub(crate) provider_status: Option<u16>,
    /// How long the provider wants to be left alone.
    pub(crate) wait: Option<Duration>,
    /// What the provider did not find was named by the caller.
    pub(crate) callers_name: bool,
    /// An exchange has counted it.
    pub(crate) counted: bool,
}

/// A `Result` whose error is small enough to travel through every step.
pub(crate) type Outcome<T> = Result<T, Box<Fault>>;

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self {
            kind,
            status: kind.status(),
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            headers: Vec::new(),
            in_doubt: false,
            provider_status: None,
            wait: None,
            callers_name: false,
            counted: false,
        })
    }

    /// A member of the body that is wrong.
    pub(crate) fn field(name: &str, message: impl Into<Cow<'static, str>>) -> Box<Self> {
        Self::new(ErrorKind::BadRequest, message).param(name.to_owned())
    }

    pub(crate) fn param(mut self: Box<Self>, param: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn code(mut self: Box<Self>, code: &'static str) -> Box<Self> {
        self.code = Some(code);
        self
    }

    /// Says another name in the message.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if self.message.contains(from) {
            self.message = self.message.replace(from, to).into();
        }
    }

    pub(crate) fn with_status(mut self: Box<Self>, status: u16) -> Box<Self> {
        self.status = status;
        self
    }

    pub(crate) fn retry_after(mut self: Box<Self>, seconds: u64) -> Box<Self> {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn header(mut self: Box<Self>, name: HeaderName, value: HeaderValue) -> Box<Self> {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn answered(mut self: Box<Self>, status: u16) -> Box<Self> {
        self.provider_status = Some(status);
        self
    }

    pub(crate) fn about_callers_name(mut self: Box<Self>, callers_name: bool) -> Box<Self> {
        self.callers_name = callers_name;
        self
    }

    pub(crate) fn in_doubt(mut self: Box<Self>) -> Box<Self> {
        self.in_doubt = true;
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Adds headers; those that it has already stay.
    pub(crate) fn tell(&mut self, headers: HeaderMap) {
        let mut shown = None;
        for (name, value) in headers {
            shown = name.or(shown);
            if let Some(name) = &shown {
                self.headers.push((name.clone(), value));
            }
        }
    }

    /// What the dialect's error body says.
    pub(crate) fn body(&self) -> FaultBody<'_> {
        FaultBody { fault: self, code: self.code.map_or_else(|| self.status.to_string(), str::to_owned) }
    }

    /// The whole answer, in the client's dialect.
    pub(crate) fn into_response(self, dialect: Dialect) -> Response<OutBody> {
        let body = self.body();
        let mut response = Response::new(OutBody::full(render(dialect, &body.as_error_body())));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if dialect == Dialect::Bedrock {
            let name = HeaderValue::from_static(bedrock::exception_name(self.status));
            headers.insert(HeaderName::from_static(bedrock::ERROR_TYPE), name);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// The gateway stops before the answer is there.
pub(crate) fn shutting_down() -> Box<Fault> {
    Fault::new(ErrorKind::ShuttingDown, "The gateway is shutting down. Please retry.").retry_after(1)
}

/// Holds the texts that an error body borrows.
pub(crate) struct FaultBody<'a> {
    fault: &'a Fault,
    code: String,
}

impl FaultBody<'_> {
    pub(crate) fn as_error_body(&self) -> ErrorBody<'_> {
        ErrorBody {
            message: &self.fault.message,
            kind: self.fault.kind.openai_type(),
            param: self.fault.param.as_deref(),
            code: &self.code,
            status: self.fault.status,
        }
    }
}
