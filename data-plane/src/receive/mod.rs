//! Receive: which route a request is for and in which dialect its caller wants to be answered. Looks at the head
//! only; no byte of the body is polled here.

mod routes;

pub(crate) use routes::{
    Action, Inference, Plain, Route, Stored, Takes, dialect_of, is_googles_list, is_known, route, served,
};
