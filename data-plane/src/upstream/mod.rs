//! Connections to providers: dialling, TLS, and a pool per worker (design §5).
//!
//! An HTTP/1.1 connection is polled by the exchange that uses it, never by a task of its own, so that bytes from the
//! provider reach the client in the same turn of the worker (design §9). An HTTP/2 connection serves many exchanges and
//! has a task, on the same worker.

mod answer;
mod body;
mod counts;
mod dial;
mod host;
mod http1;
mod lane;
mod live;
mod pool;
mod send;
mod shared;
#[cfg(test)]
mod tests;
mod wait;
mod wire;

pub(crate) use answer::AnswerBody;
pub(crate) use body::SendBody;
pub(crate) use counts::PoolCounts;
pub(crate) use dial::{DialError, Dialer, system_roots};
pub(crate) use pool::{Limits, Pool};
pub(crate) use send::{Failure, SendError};
