//! Attempt: one request to one deployment, from the edited body to the head of the answer.

mod edit;
mod headers;
mod hosted;
mod members;
mod prepared;
mod proof;
mod refusal;
mod send;
mod translate;

pub(crate) use edit::{Changes, Edited, edit};
pub(crate) use hosted::Hosted;
pub(crate) use prepared::{Prepared, run};
pub(crate) use refusal::stream_refusal;
pub(crate) use send::{Waits, bad_answer, connection_lost, timed_out};
pub(crate) use translate::translate;
