//! Wall-clock time, injected so that windows and expiries are tested without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.000Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => format!("{time:.3}"),
            Err(_) => self.0.to_string(),
        }
    }

    /// `YYYY-MM-DD HH:MM:SS UTC`, the form of LiteLLM's rate-limit message.
    pub fn utc_seconds(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            Err(_) => self.0.to_string(),
        }
    }

    /// Reads RFC 3339 (`2026-11-21T09:30:00Z`, any offset) or a bare date and time, which is taken as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Some(Self(time.as_millisecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let time = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(time.timestamp().as_millisecond()))
    }

    /// This time plus some milliseconds, saturating.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Where wall-clock time comes from. Durations come from `tokio::time::Instant` instead.
#[derive(Clone)]
pub enum Clock {
    /// The operating system's clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::advance`] moves it.
    pub fn manual(now: UnixMillis) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.0)))
    }

    /// The time now.
    pub fn now(&self) -> UnixMillis {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(now) => UnixMillis(now.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock; the system's clock ignores it.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Manual(now) = self {
            now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_and_parse_in_utc() {
        let time = UnixMillis(1_795_253_400_000);
        assert_eq!(time.rfc3339(), "2026-11-21T09:30:00.000Z");
        assert_eq!(time.utc_seconds(), "2026-11-21 09:30:00 UTC");
        for text in
            ["2026-11-21T09:30:00Z", "2026-11-21T10:30:00+01:00", "2026-11-21 09:30:00", "2026-11-21T09:30"]
        {
            assert_eq!(UnixMillis::parse(text), Some(time), "{text}");
        }
        assert_eq!(UnixMillis::parse("tomorrow"), None);
    }
}
