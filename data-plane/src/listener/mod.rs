//! The inference listener: accepts, hands connections to workers, serves HTTP on them, drains.

mod accept;
mod arrival;
mod connection;
mod crew;

pub(crate) use accept::{Bound, bind};
pub(crate) use crew::{Crew, Drain};
