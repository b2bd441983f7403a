//! Logging set-up with redaction, and the counters that workers keep.

pub mod log;
pub mod metric;
