//! Why a request is refused, and both of LiteLLM's ways to say it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::domain::body::Refused;
use crate::domain::field::Wrong;
use crate::domain::id::NoRandomness;
use crate::seldom::Seldom;
use crate::store::StoreError;

/// PostgreSQL's `query_canceled`.
const QUERY_CANCELED: &str = "57014";

/// How a route says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `{"error": {message, type, param, code}}`
    Error,
    /// `{"detail": {"error": message}}`
    Detail,
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Something about it that has words of its own.
    Said(Said),
    /// FastAPI's 422, always in its own form.
    Invalid(Vec<Wrong>),
    /// Nobody's fault but ours, or the database's.
    Store(StoreError),
}

/// A refusal in words.
#[derive(Debug)]
pub(crate) struct Said {
    status: StatusCode,
    kind: &'static str,
    param: Option<String>,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self::Said(Said { status, kind, param: None, message: message.into() })
    }

    /// The request cannot be done.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request_error", message)
    }

    /// What it is about is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message)
    }

    /// Who asks is not known.
    pub(crate) fn unauthorized(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, kind, message).param("None")
    }

    /// Who asks may not.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "auth_error", message).param("None")
    }

    /// A file declares it, and only the file changes it.
    pub(crate) fn owned(what: &str, owner: &str) -> Self {
        let message = format!(
            "{what} is declared in the file `{owner}`: change it there and run `control-plane apply`, or remove it \
             there to manage it by API"
        );
        Self::new(StatusCode::CONFLICT, "declared_in_file", message)
    }

    /// A field of the body is missing.
    pub(crate) fn missing(name: &str) -> Self {
        Self::Invalid(vec![Wrong::new("missing", "Field required").below(name).below("body")])
    }

    /// A field of the body is wrong.
    pub(crate) fn field(name: &str, what: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![Wrong::value(what).below(name).below("body")])
    }

    /// A parameter of the query is wrong.
    pub(crate) fn query(name: &str, wrong: Wrong) -> Self {
        Self::Invalid(vec![wrong.below(name).below("query")])
    }

    /// Names the field or parameter that it is about.
    #[must_use]
    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        if let Self::Said(said) = &mut self {
            said.param = Some(param.into());
        }
        self
    }

    /// In a few words, for lists of what failed.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Said(said) => said.message.clone(),
            Self::Invalid(wrong) => {
                wrong.iter().map(|wrong| wrong.message.clone()).collect::<Vec<_>>().join("; ")
            }
            Self::Store(error) => of_store(error).message,
        }
    }

    /// The answer.
    pub(crate) fn respond(self, style: Style) -> Response {
        let said = match self {
            Self::Invalid(wrong) => {
                let detail: Vec<Value> = wrong.into_iter().map(detail).collect();
                return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"detail": detail}))).into_response();
            }
            Self::Store(error) => of_store(&error),
            Self::Said(said) => said,
        };
        let Said { status, kind, param, message } = said;
        // Authentication and the database come before the route, and are always said in one form.
        let ours =
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || status.is_server_error();
        let body = match style {
            Style::Detail if !ours => json!({"detail": {"error": message}}),
            _ => {
                json!({"error": {"message": message, "type": kind, "param": param, "code": status.as_str()}})
            }
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(axum::http::header::RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}

fn detail(wrong: Wrong) -> Value {
    json!({"loc": wrong.at, "msg": wrong.message, "type": wrong.kind})
}

static AWAY: Seldom = Seldom::new();

fn of_store(error: &StoreError) -> Said {
    let said = |status, kind, message: &str| Said { status, kind, param: None, message: message.to_owned() };
    match error {
        StoreError::Away(source) if took_too_long(source) => {
            tracing::warn!(error = %source, "a question took the database too long");
            let message = "The database took too long to answer. Ask for less at once, or retry shortly.";
            said(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message)
        }
        StoreError::Away(source) => {
            if let Some(kept_back) = AWAY.turn() {
                tracing::warn!(error = %source, kept_back, "the database is not available");
            }
            let message = "Service Unavailable, the authentication database is temporarily unreachable. Please retry \
                           shortly.";
            said(StatusCode::SERVICE_UNAVAILABLE, "no_db_connection", message)
        }
        StoreError::Constraint(name) => {
            let (param, message) = of_constraint(name);
            let mut said = said(StatusCode::BAD_REQUEST, "bad_request_error", message);
            said.param = param.map(str::to_owned);
            said
        }
        StoreError::NotOurs(error) => {
            tracing::error!(%error, "a secret in the database cannot be opened");
            said(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", &error.to_string())
        }
        StoreError::Other(error) => {
            tracing::error!(error = %format_args!("{error:#}"), "a request failed");
            said(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", "Internal server error")
        }
    }
}

/// True where the database is there, and ended a statement that ran into its limit.
fn took_too_long(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == QUERY_CANCELED)
}

/// What a constraint of the schema means, with the field that it is about. Somebody else was faster, mostly: what is
/// usual is checked before, with words that name it.
fn of_constraint(name: &str) -> (Option<&'static str>, &'static str) {
    match name {
        "keys_alias_key" => (
            Some("key_alias"),
            "Key with this alias already exists. Unique key aliases across all keys are required.",
        ),
        "keys_pkey" | "old_tokens_pkey" => (Some("key"), "This key already exists."),
        "keys_team_id_fkey" | "members_team_id_fkey" => {
            (Some("team_id"), "Unable to find team object in database.")
        }
        "members_user_id_fkey" => (Some("user_id"), "The user does not exist."),
        "teams_pkey" => (Some("team_id"), "This team id already exists. Please use a different team id."),
        "users_pkey" => (Some("user_id"), "User with this id already exists."),
        "users_by_email" => (Some("user_email"), "User with this email already exists."),
        "members_pkey" => (Some("user_id"), "The user is already in the team."),
        "deployments_pkey" => (Some("model_info.id"), "A model with this id already exists."),
        "credentials_pkey" => (Some("credential_name"), "A credential with this name already exists."),
        _ => (None, "This contradicts what is stored. Read it again, then retry."),
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<NoRandomness> for Refusal {
    fn from(error: NoRandomness) -> Self {
        Self::Store(StoreError::Other(error.into()))
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(wrong) => {
                Self::Invalid(wrong.into_iter().map(|wrong| wrong.below("body")).collect())
            }
            Refused::Unenforced(name) => unenforced(&name),
        }
    }
}

/// A restriction that nobody would enforce is not stored (design §1.9).
pub(crate) fn unenforced(name: &str) -> Refusal {
    let message = format!(
        "`{name}` restricts what may be done and is not enforced by this version, so it is not stored either. Leave it \
         out to go without."
    );
    Refusal::bad(message).param(name)
}
