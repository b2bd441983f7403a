//! Logging set-up with redaction, the counters that workers keep, and the page that a scrape gets.

pub mod log;
pub mod metric;
pub mod page;
