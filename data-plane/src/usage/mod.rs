//! Usage records: one for every exchange that reached a provider.

mod event;
mod files;
mod recorder;

pub(crate) use event::UsageEvent;
pub(crate) use recorder::Recorder;
