//! Usage records: one for every exchange that reached a provider.

mod event;
mod files;
mod ndjson;
mod recorder;
#[expect(dead_code, reason = "not in use yet")]
mod ship;
mod spool;
mod spooling;
mod wire;

pub(crate) use event::UsageEvent;
pub(crate) use recorder::Recorder;
pub(crate) use spool::{Full, Lag, Options as SpoolOptions, Spool};
