//! Rows in the binary form of `copy`.

use sqlx::PgConnection;
use sqlx::types::Uuid;

/// Days and microseconds from 1970 to PostgreSQL's beginning of time, 2000.
const DAYS: i64 = 10_957;
const MICROS: i64 = DAYS * 86_400_000_000;
const TEXT: u32 = 25;
/// Bytes that are sent at once.
const CHUNK: usize = 256 << 10;

/// Rows in the making.
pub(super) struct Rows(Vec<u8>);

impl Rows {
    pub(super) fn new() -> Self {
        // The signature, flags, and no extension of the header.
        Self([&b"PGCOPY\n\xff\r\n\0"[..], &[0; 8]].concat())
    }

    /// Begins a row.
    pub(super) fn row(&mut self, columns: i16) {
        self.0.extend(columns.to_be_bytes());
    }

    pub(super) fn null(&mut self) {
        self.0.extend((-1i32).to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A text whose absence is null.
    pub(super) fn text_or_null(&mut self, text: &str) {
        match text {
            "" => self.null(),
            text => self.text(text),
        }
    }

    pub(super) fn uuid(&mut self, id: &Uuid) {
        self.bytes(id.as_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.bytes(&[u8::from(value)]);
    }

    pub(super) fn small(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    /// A small count, which fits where it was cut.
    pub(super) fn integer(&mut self, value: u32) {
        self.bytes(&i32::try_from(value).unwrap_or(i32::MAX).to_be_bytes());
    }

    pub(super) fn big(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn big_or_null(&mut self, value: Option<i64>) {
        match value {
            None => self.null(),
            Some(value) => self.big(value),
        }
    }

    /// A count, which fits where it was cut.
    pub(super) fn count(&mut self, value: u64) {
        self.big(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A day, counted from 1970.
    pub(super) fn date(&mut self, day: i64) {
        let day = i32::try_from(day.saturating_sub(DAYS)).unwrap_or(i32::MAX - 1);
        self.bytes(&day.to_be_bytes());
    }

    /// Unix milliseconds.
    pub(super) fn time(&mut self, millis: i64) {
        self.big(millis.saturating_mul(1000).saturating_sub(MICROS));
    }

    pub(super) fn texts(&mut self, texts: &[String]) {
        let size = texts.iter().map(|text| 4 + text.len()).sum::<usize>();
        let has_items = !texts.is_empty();
        self.length(if has_items { 20 + size } else { 12 });
        // Dimensions, no nulls, the type; of the one dimension its length and its first index.
        self.0.extend(i32::from(has_items).to_be_bytes());
        self.0.extend(0i32.to_be_bytes());
        self.0.extend(TEXT.to_be_bytes());
        if has_items {
            self.length(texts.len());
            self.0.extend(1i32.to_be_bytes());
        }
        for text in texts {
            self.text(text);
        }
    }

    /// Sends them all.
    pub(super) async fn send(
        mut self,
        connection: &mut PgConnection,
        statement: &str,
    ) -> Result<(), sqlx::Error> {
        self.0.extend((-1i16).to_be_bytes());
        let mut copy = connection.copy_in_raw(statement).await?;
        for chunk in self.0.chunks(CHUNK) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
        Ok(())
    }

    fn length(&mut self, length: usize) {
        self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
}
