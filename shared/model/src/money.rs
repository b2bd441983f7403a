//! Money as integers.
//!
//! Prices are pico-dollars per unit, amounts nano-dollars; rounding happens once per request, half to even
//! (design §6). No float ever holds money.

use std::fmt;

use crate::Decimal;

/// A price: pico-dollars (10⁻¹² USD) per unit. One dollar per million tokens is 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PicoUsd(pub u64);

/// An amount: nano-dollars (10⁻⁹ USD). May be negative where it is a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(pub i64);

/// A decimal that is not a price or an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Too large to count in the unit.
    #[error("too large")]
    TooLarge,
}

impl PicoUsd {
    /// Reads dollars per unit as a decimal (`2.5e-06`), rounding half to even at 10⁻¹² USD.
    pub fn from_decimal(text: &str) -> Result<Self, MoneyError> {
        let scaled = scale_decimal(text, 12)?;
        u64::try_from(scaled).map(Self).map_err(|_| MoneyError::TooLarge)
    }
}

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads dollars as a decimal (`12.5`), rounding half to even at 10⁻⁹ USD.
    pub fn from_decimal(text: &str) -> Result<Self, MoneyError> {
        let scaled = scale_decimal(text, 9)?;
        i64::try_from(scaled).map(Self).map_err(|_| MoneyError::TooLarge)
    }

    /// Rounds a sum of pico-dollars half to even; saturates at 9.2 billion dollars.
    pub fn from_pico(pico: u128) -> Self {
        Self(i64::try_from(round_half_even(pico, 1000)).unwrap_or(i64::MAX))
    }

    /// Dollars as a plain decimal without trailing zeros, at least one decimal place: `0.0000325`, `12.0`.
    pub fn decimal(self) -> Decimal {
        Decimal::trimmed(self.0, 9)
    }

    /// The sum, saturating.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, saturating.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// As [`NanoUsd::decimal`].
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.decimal().as_str())
    }
}

fn round_half_even(value: u128, unit: u128) -> u128 {
    let (whole, rest) = (value / unit, value % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 == 1);
    whole + u128::from(up)
}

/// `text × 10^places`, rounded half to even, from a decimal with an optional exponent. Exact: no float in between.
fn scale_decimal(text: &str, places: i32) -> Result<u128, MoneyError> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('-') {
        return match scale_decimal(rest, places)? {
            0 => Ok(0),
            _ => Err(MoneyError::Negative),
        };
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().map_err(|_| MoneyError::NotANumber)?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(MoneyError::NotANumber);
    }
    let mut digits: u128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(MoneyError::NotANumber);
        }
        digits = digits
            .checked_mul(10)
            .and_then(|value| value.checked_add(u128::from(byte - b'0')))
            .ok_or(MoneyError::TooLarge)?;
    }
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| MoneyError::TooLarge)?;
    let shift =
        exponent.checked_sub(fraction_len).and_then(|s| s.checked_add(places)).ok_or(MoneyError::TooLarge)?;
    if digits == 0 {
        return Ok(0);
    }
    let power = 10u128.checked_pow(shift.unsigned_abs());
    match (shift >= 0, power) {
        (true, Some(power)) => digits.checked_mul(power).ok_or(MoneyError::TooLarge),
        (true, None) => Err(MoneyError::TooLarge),
        (false, Some(power)) => Ok(round_half_even(digits, power)),
        (false, None) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        for (text, pico) in [
            ("2.5e-06", 2_500_000),
            ("0.0000025", 2_500_000),
            ("1e-05", 10_000_000),
            ("3E-7", 300_000),
            ("0", 0),
            ("0.0", 0),
            ("-0.0", 0),
            ("1", 1_000_000_000_000),
            ("8.39233E-8", 83_923),
            ("1e-300", 0),
        ] {
            assert_eq!(PicoUsd::from_decimal(text), Ok(PicoUsd(pico)), "{text}");
        }
    }

    #[test]
    fn what_is_not_money_is_refused_with_a_reason() {
        for (text, error) in [
            ("", MoneyError::NotANumber),
            (".", MoneyError::NotANumber),
            ("1,5", MoneyError::NotANumber),
            ("nan", MoneyError::NotANumber),
            ("1e", MoneyError::NotANumber),
            ("-1", MoneyError::Negative),
            ("1e30", MoneyError::TooLarge),
            ("99999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(NanoUsd::from_decimal(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sums_round_half_to_even_once() {
        for (pico, nano) in [(499, 0), (500, 0), (501, 1), (1_500, 2), (2_500, 2), (3_500, 4)] {
            assert_eq!(NanoUsd::from_pico(pico), NanoUsd(nano), "{pico}");
        }
    }

    #[test]
    fn amounts_print_as_plain_decimals() {
        for (nano, text) in
            [(0, "0.0"), (32_500, "0.0000325"), (12_000_000_000, "12.0"), (-1_500_000_000, "-1.5")]
        {
            assert_eq!(NanoUsd(nano).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_printed_amount_reads_back_as_itself(nano in 0i64..i64::MAX) {
            proptest::prop_assert_eq!(NanoUsd::from_decimal(&NanoUsd(nano).to_string()), Ok(NanoUsd(nano)));
        }

        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            let _ = PicoUsd::from_decimal(&text);
        }
    }
}
