//! LiteLLM's duration texts: `30s`, `15m`, `24h`, `7d`, `2w`, `1mo`.

use std::fmt;
use std::str::FromStr;

/// The length of a budget window or of a key's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowLength {
    /// Seconds, minutes and hours, in seconds.
    Seconds(u32),
    /// Whole days (weeks are seven).
    Days(u32),
    /// Calendar months.
    Months(u32),
}

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write a whole number and one of s, m, h, d, w, mo, such as `30d`")]
pub struct DurationError;

impl WindowLength {
    /// The length in milliseconds where it is the same everywhere; a month counts as 30 days.
    pub fn as_millis(self) -> i64 {
        let seconds = match self {
            Self::Seconds(seconds) => i64::from(seconds),
            Self::Days(days) => i64::from(days) * 86_400,
            Self::Months(months) => i64::from(months) * 30 * 86_400,
        };
        seconds * 1000
    }
}

impl FromStr for WindowLength {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or(DurationError)?;
        let number: u32 = number.parse().map_err(|_| DurationError)?;
        if number == 0 {
            return Err(DurationError);
        }
        let times = |factor: u32| number.checked_mul(factor).ok_or(DurationError);
        match unit {
            "s" => Ok(Self::Seconds(number)),
            "m" => times(60).map(Self::Seconds),
            "h" => times(3600).map(Self::Seconds),
            "d" => Ok(Self::Days(number)),
            "w" => times(7).map(Self::Days),
            "mo" => Ok(Self::Months(number)),
            _ => Err(DurationError),
        }
    }
}

impl fmt::Display for WindowLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seconds(s) if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            Self::Seconds(s) if s % 60 == 0 => write!(f, "{}m", s / 60),
            Self::Seconds(s) => write!(f, "{s}s"),
            Self::Days(d) => write!(f, "{d}d"),
            Self::Months(m) => write!(f, "{m}mo"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, length) in [
            ("30s", WindowLength::Seconds(30)),
            ("15m", WindowLength::Seconds(900)),
            ("24h", WindowLength::Seconds(86_400)),
            ("7d", WindowLength::Days(7)),
            ("1mo", WindowLength::Months(1)),
        ] {
            assert_eq!(text.parse(), Ok(length));
            assert_eq!(length.to_string(), text);
        }
        assert_eq!("2w".parse(), Ok(WindowLength::Days(14)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for bad in ["", "d", "0d", "-1d", "1.5h", "10", "1y", "30 d", "99999999999s", "4294967295h", "é"] {
            assert_eq!(bad.parse::<WindowLength>(), Err(DurationError), "{bad}");
        }
    }
}
