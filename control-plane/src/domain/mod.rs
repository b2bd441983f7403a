//! The rules of what may be declared, without I/O.

pub(crate) mod body;
pub(crate) mod deployment;
pub(crate) mod fallback;
pub(crate) mod field;
pub(crate) mod id;
pub(crate) mod routes;
pub(crate) mod time;
