//! Usage records: one for every exchange that reached a provider.

mod event;
mod files;
mod recorder;
#[expect(dead_code, reason = "not in use yet")]
mod ship;
#[expect(dead_code, reason = "not in use yet")]
mod spool;

pub(crate) use event::UsageEvent;
pub(crate) use recorder::Recorder;
