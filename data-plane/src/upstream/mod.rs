//! Connections to providers: dialling, TLS, and a pool per worker.
//!
//! A connection is polled by the exchange that uses it, never by a task of its own, so that bytes from the provider
//! reach the client in the same turn of the worker (design §9).

mod body;
mod dial;
mod live;
mod pool;
mod wire;

pub(crate) use body::SendBody;
pub(crate) use dial::{DialError, Dialer, system_roots};
pub(crate) use live::{AnswerBody, Live, SendError};
pub(crate) use pool::Pool;
