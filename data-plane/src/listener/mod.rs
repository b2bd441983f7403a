//! The inference listener: accepts, hands connections to workers, serves HTTP on them, drains.

mod accept;
mod access_log;
mod answer;
mod arrival;
mod capacity;
mod connection;
mod crew;
mod door;
mod http1;
mod http2;
mod leaving;
mod rewound;

pub(crate) use accept::{Bound, bind};
pub(crate) use access_log::{AccessLog, LogEntry};
pub(crate) use crew::{Crew, Drain};
pub(crate) use door::Front;

use leaving::Leaving;

/// The longest head of a request: line and headers.
const LONGEST_HEAD: usize = 64 << 10;
