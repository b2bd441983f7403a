//! Usage records: one for every exchange that reached a provider.

mod event;
mod files;
mod ndjson;
mod recorder;
mod ship;
mod spool;
mod spooling;
mod wire;

pub(crate) use event::{UsageEvent, cut};
pub(crate) use recorder::Recorder;
pub(crate) use ship::{Shipper, emptied};
pub(crate) use spool::{Full, Lag, Options as SpoolOptions, Spool};
