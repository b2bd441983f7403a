//! Times as they are stored, and as they are told.

use bulkhead_model::{UnixMillis, Window, WindowLength};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use time::OffsetDateTime;

/// A length of time later; months are months of the calendar. `None` is beyond what can be counted.
pub(crate) fn after(now: UnixMillis, length: WindowLength) -> Option<UnixMillis> {
    let start = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(TimeZone::UTC);
    let end = match length {
        WindowLength::Seconds(seconds) => start.checked_add(i64::from(seconds).seconds()),
        WindowLength::Days(days) => start.checked_add(jiff::Span::new().try_days(days).ok()?),
        WindowLength::Months(months) => start.checked_add(jiff::Span::new().try_months(months).ok()?),
    };
    end.ok().map(|end| UnixMillis(end.timestamp().as_millisecond()))
}

/// When a budget with this window starts anew.
pub(crate) fn reset_at(length: Option<&str>, now: UnixMillis, zone: &TimeZone) -> Option<UnixMillis> {
    Window::containing(now, length?.parse().ok()?, zone).end
}

/// A time as the database has it.
pub(crate) fn stored(time: UnixMillis) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000).ok()
}

/// A time from the database.
pub(crate) fn millis(time: OffsetDateTime) -> UnixMillis {
    UnixMillis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_months_of_the_calendar() {
        let now = UnixMillis::parse("2027-01-31T12:00:00Z").unwrap();
        let end = |length: &str| after(now, length.parse().unwrap()).unwrap().rfc3339();
        assert_eq!(end("1mo"), "2027-02-28T12:00:00.000Z");
        assert_eq!(end("2w"), "2027-02-14T12:00:00.000Z");
        assert_eq!(end("90s"), "2027-01-31T12:01:30.000Z");
        assert_eq!(after(now, WindowLength::Months(u32::MAX)), None);
        assert_eq!(after(now, WindowLength::Days(u32::MAX)), None);
    }
}
