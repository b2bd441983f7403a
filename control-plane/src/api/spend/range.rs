//! Spans of time that reports are asked for.

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

use crate::api::query::Query;
use crate::api::refusal::Refusal;

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const SECOND: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// From the first instant to the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: OffsetDateTime,
    pub(super) to: OffsetDateTime,
}

/// Days from `start_date` to `end_date`, both included, in a zone that is so many minutes behind UTC.
pub(super) fn days(query: &Query, behind: i64) -> Result<Range, Refusal> {
    let (Some(start), Some(end)) = (query.text("start_date"), query.text("end_date")) else {
        return Err(Refusal::bad("Please provide start_date and end_date").param("start_date"));
    };
    let day =
        |name: &str, text: &str| Date::parse(text, DATE).map_err(|_| unreadable(name, text, "YYYY-MM-DD"));
    let (from, to) = (day("start_date", start)?, day("end_date", end)?);
    let at = |day: Date| {
        let start = PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc();
        start.checked_add(Duration::minutes(behind))
    };
    between(at(from), to.next_day().and_then(at))
}

/// `YYYY-MM-DD HH:MM:SS` or whole days, both included, in UTC; `None` where none of them is said.
pub(super) fn times(query: &Query) -> Result<Option<Range>, Refusal> {
    let (start, end) = match (query.text("start_date"), query.text("end_date")) {
        (Some(start), Some(end)) => (start, end),
        (None, None) => return Ok(None),
        _ => return Err(Refusal::bad("start_date and end_date are needed together").param("start_date")),
    };
    let read = |name: &str, text: &str| {
        let time = PrimitiveDateTime::parse(&text.replacen('T', " ", 1), SECOND);
        let day = || {
            Date::parse(text, DATE).map(|day| (PrimitiveDateTime::new(day, Time::MIDNIGHT), Duration::DAY))
        };
        time.map(|time| (time, Duration::SECOND))
            .or_else(|_| day())
            .map(|(start, length)| (start.assume_utc(), length))
            .map_err(|_| unreadable(name, text, "YYYY-MM-DD HH:MM:SS"))
    };
    let (from, _) = read("start_date", start)?;
    let (to, length) = read("end_date", end)?;
    between(Some(from), to.checked_add(length)).map(Some)
}

/// The last days, today included, in UTC.
pub(super) fn last_days(days: i64) -> Range {
    let now = OffsetDateTime::now_utc();
    let today = now.replace_time(Time::MIDNIGHT);
    Range { from: today.saturating_sub(Duration::days(days)), to: today.saturating_add(Duration::DAY) }
}

/// The zone, as minutes that local time is behind UTC (`getTimezoneOffset` of browsers).
pub(super) fn behind(query: &Query) -> Result<i64, Refusal> {
    Ok(query.number("timezone", -14 * 60, 12 * 60)?.unwrap_or(0))
}

fn between(from: Option<OffsetDateTime>, to: Option<OffsetDateTime>) -> Result<Range, Refusal> {
    let range = from.zip(to).map(|(from, to)| Range { from, to }).filter(|range| range.from < range.to);
    range.ok_or_else(|| Refusal::bad("end_date must not be before start_date").param("end_date"))
}

fn unreadable(name: &str, text: &str, form: &str) -> Refusal {
    Refusal::bad(format!("Invalid date format for {name}: {text}. Expected: {form}")).param(name)
}

pub(super) fn day(day: Date) -> String {
    day.format(DATE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(start: &str, end: &str) -> Query {
        let pairs = [("start_date", start), ("end_date", end)];
        Query::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()).unwrap()
    }

    fn shown(range: Range) -> [String; 2] {
        [range.from, range.to].map(|time| crate::domain::time::millis(time).rfc3339().replace(":00.000Z", ""))
    }

    #[test]
    fn days_are_whole_and_of_the_zone() {
        for (start, end, behind, from, to) in [
            ("2026-02-28", "2026-02-28", 0, "2026-02-28T00:00", "2026-03-01T00:00"),
            ("2026-11-30", "2026-12-01", 480, "2026-11-30T08:00", "2026-12-02T08:00"),
            ("2026-01-01", "2026-01-01", -330, "2025-12-31T18:30", "2026-01-01T18:30"),
        ] {
            assert_eq!(shown(days(&query(start, end), behind).unwrap()), [from, to]);
        }
        for (start, end) in
            [("", "2026-01-01"), ("2026-02-30", "2026-03-01"), ("2026-03-02", "2026-03-01"), ("x", "y")]
        {
            assert!(days(&query(start, end), 0).is_err(), "{start} {end}");
        }
    }

    #[test]
    fn times_include_their_last_second_and_days_their_last_hour() {
        for (start, end, from, to) in [
            ("2026-11-25 00:00:00", "2026-11-25 23:59:59", "2026-11-25T00:00", "2026-11-26T00:00"),
            ("2026-11-25T10:00:00", "2026-11-26", "2026-11-25T10:00", "2026-11-27T00:00"),
        ] {
            assert_eq!(shown(times(&query(start, end)).unwrap().unwrap()), [from, to]);
        }
        assert_eq!(times(&query("", "")).unwrap(), None);
        assert!(times(&query("2026-11-25", "")).is_err());
        assert!(times(&query("9999-12-31", "9999-12-31")).is_err());
    }
}
