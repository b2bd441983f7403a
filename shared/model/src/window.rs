//! Budget windows: the half-open span of time that a budget's spend counts in.

use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};

use crate::{UnixMillis, WindowLength};

/// `[start, end)`. A reset is a new window, never an update to zero (design §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first millisecond of the window; names it together with the budget's id.
    pub start: UnixMillis,
    /// The first millisecond after it; `None` for a budget that never resets.
    pub end: Option<UnixMillis>,
}

impl Window {
    /// The window of a budget without `budget_duration`.
    pub const ENDLESS: Self = Self { start: UnixMillis(0), end: None };

    /// The window that `now` falls in.
    ///
    /// Boundaries snap to the calendar of `zone`, as LiteLLM's do: months to the 1st, `30d` to the 1st as well, `7d`
    /// to Monday, days to midnight. Other day counts and hours, minutes, seconds are counted from 1970 in that zone's
    /// midnight, so that every node computes the same window without knowing when the budget was made.
    pub fn containing(now: UnixMillis, length: WindowLength, zone: &TimeZone) -> Self {
        Self::snapped(now, length, zone).unwrap_or_else(|_| Self::plain(now, length))
    }

    /// True while `now` is inside.
    pub fn contains(&self, now: UnixMillis) -> bool {
        self.start <= now && self.end.is_none_or(|end| now < end)
    }

    fn snapped(now: UnixMillis, length: WindowLength, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let local = jiff::Timestamp::from_millisecond(now.0)?.to_zoned(zone.clone());
        match length {
            WindowLength::Months(months) => month_window(&local, months),
            WindowLength::Days(30) => month_window(&local, 1),
            WindowLength::Days(7) => {
                let back = i64::from(local.weekday().to_monday_zero_offset());
                let start = local.start_of_day()?.checked_sub(back.days())?.start_of_day()?;
                day_window(&start, 7)
            }
            WindowLength::Days(days) => {
                let today = local.date();
                let epoch = jiff::civil::date(1970, 1, 1);
                let since = i64::from(epoch.until(today)?.get_days());
                let back = since.rem_euclid(i64::from(days.max(1)));
                let start = local.start_of_day()?.checked_sub(back.days())?.start_of_day()?;
                day_window(&start, days)
            }
            WindowLength::Seconds(_) => Ok(Self::plain(now, length)),
        }
    }

    fn plain(now: UnixMillis, length: WindowLength) -> Self {
        let millis = length.as_millis().max(1);
        let start = now.0 - now.0.rem_euclid(millis);
        Self { start: UnixMillis(start), end: Some(UnixMillis(start.saturating_add(millis))) }
    }
}

fn month_window(local: &Zoned, months: u32) -> Result<Window, jiff::Error> {
    let months = i64::from(months.max(1));
    let first = local.date().first_of_month();
    let since = (i64::from(first.year()) - 1970) * 12 + i64::from(first.month()) - 1;
    let first = first.checked_sub(since.rem_euclid(months).months())?;
    let start = first.to_zoned(local.time_zone().clone())?;
    let end = first.checked_add(months.months())?.to_zoned(local.time_zone().clone())?;
    Ok(span(&start, &end))
}

fn day_window(start: &Zoned, days: u32) -> Result<Window, jiff::Error> {
    let end = start.checked_add(i64::from(days).days())?.start_of_day()?;
    Ok(span(start, &end))
}

fn span(start: &Zoned, end: &Zoned) -> Window {
    Window {
        start: UnixMillis(start.timestamp().as_millisecond()),
        end: Some(UnixMillis(end.timestamp().as_millisecond())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        UnixMillis::parse(text).unwrap()
    }

    fn window(now: &str, length: &str, zone: &str) -> (String, String) {
        let zone = TimeZone::get(zone).unwrap();
        let window = Window::containing(at(now), length.parse().unwrap(), &zone);
        assert!(window.contains(at(now)));
        (window.start.rfc3339(), window.end.unwrap().rfc3339())
    }

    #[test]
    fn windows_snap_to_the_calendar() {
        for (length, start, end) in [
            ("1mo", "2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"),
            ("30d", "2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"),
            ("7d", "2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"),
            ("1w", "2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"),
            ("1d", "2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"),
            ("1h", "2026-11-21T09:00:00.000Z", "2026-11-21T10:00:00.000Z"),
            ("30s", "2026-11-21T09:30:00.000Z", "2026-11-21T09:30:30.000Z"),
            ("3mo", "2026-10-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(window("2026-11-21T09:30:12Z", length, "UTC"), (start.into(), end.into()), "{length}");
        }
    }

    #[test]
    fn a_day_in_a_zone_with_summer_time_is_23_or_25_hours() {
        let (start, end) = window("2026-03-29T12:00:00Z", "1d", "Europe/Berlin");
        assert_eq!((start.as_str(), end.as_str()), ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"));
        let (start, end) = window("2026-10-25T12:00:00Z", "1d", "Europe/Berlin");
        assert_eq!((start.as_str(), end.as_str()), ("2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"));
    }

    proptest::proptest! {
        #[test]
        fn windows_tile_time(now in 0i64..4_000_000_000_000, pick in 0usize..7) {
            let length: WindowLength = ["30s", "5m", "1h", "1d", "5d", "7d", "2mo"][pick].parse().unwrap();
            let zone = TimeZone::get("America/New_York").unwrap();
            let window = Window::containing(UnixMillis(now), length, &zone);
            proptest::prop_assert!(window.contains(UnixMillis(now)));
            let end = window.end.unwrap();
            let next = Window::containing(end, length, &zone);
            proptest::prop_assert_eq!(next.start, end);
        }
    }
}
