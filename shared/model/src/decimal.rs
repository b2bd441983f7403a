//! Decimal numbers as text without a heap: they stand in the headers of every answer.

/// The longest: the digits of 2⁶⁴, a sign, a point, and room to spare.
const LONGEST: usize = 32;

/// A decimal number as text.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// Filled from its end.
    text: [u8; LONGEST],
    from: usize,
}

impl Decimal {
    /// `number / 10^places`, with all places: 1500 at three is `1.500`.
    pub fn fixed(number: u64, places: u8) -> Self {
        let mut decimal = Self { text: [b'0'; LONGEST], from: LONGEST };
        decimal.digits(number, places);
        decimal
    }

    /// `number / 10^places` without trailing zeros, but with one place: 1500 at three is `1.5`, 2000 is `2.0`.
    pub fn trimmed(number: i64, places: u8) -> Self {
        let (mut rest, mut left) = (number.unsigned_abs(), places);
        while left > 1 && rest % 10 == 0 {
            rest /= 10;
            left -= 1;
        }
        let mut decimal = Self::fixed(rest, left);
        if number < 0 {
            decimal.put(b'-');
        }
        decimal
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(self.from..).unwrap_or_default()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn digits(&mut self, number: u64, places: u8) {
        let mut rest = number;
        for _ in 0..places {
            self.digit(&mut rest);
        }
        if places > 0 {
            self.put(b'.');
        }
        self.digit(&mut rest);
        while rest > 0 {
            self.digit(&mut rest);
        }
    }

    fn digit(&mut self, rest: &mut u64) {
        self.put(b'0' + u8::try_from(*rest % 10).unwrap_or_default());
        *rest /= 10;
    }

    fn put(&mut self, byte: u8) {
        self.from = self.from.saturating_sub(1);
        if let Some(place) = self.text.get_mut(self.from) {
            *place = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_places_they_should() {
        let fixed = |number, places| Decimal::fixed(number, places).as_str().to_owned();
        assert_eq!([fixed(0, 3), fixed(1500, 3), fixed(7, 0)], ["0.000", "1.500", "7"]);
        assert_eq!(fixed(u64::MAX, 9), "18446744073.709551615");
        let trimmed = |number, places| Decimal::trimmed(number, places).as_str().to_owned();
        assert_eq!([trimmed(0, 9), trimmed(2000, 3), trimmed(-1, 9)], ["0.0", "2.0", "-0.000000001"]);
        assert_eq!(trimmed(i64::MIN, 9), "-9223372036.854775808");
        assert_eq!(trimmed(32_500, 9), "0.0000325");
    }
}
