//! The mock's own books: what was asked, what was answered, what was counted. Independent of any code under test.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bulkhead_model::Usage;
use bytes::Bytes;
use parking_lot::Mutex;

use super::text::hex;

/// Bodies kept by the request log at most, in bytes of all of them together.
const LOGGED_BYTES: usize = 256 << 20;

/// How a request ended, or how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// In flight.
    Open,
    /// In flight, and the provider has fallen silent for good.
    Hung,
    /// Answered to the end (an error status is an answer, too).
    Complete,
    /// The provider broke off, or left out the end.
    Cut,
    /// The client went away before the end.
    ClientGone,
}

impl Outcome {
    /// The name in the ledger's JSON.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Hung => "hung",
            Self::Complete => "complete",
            Self::Cut => "cut",
            Self::ClientGone => "client_gone",
        }
    }

    /// False while the request is in flight.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Open | Self::Hung)
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts requests from 1, in the order in which their heads arrived.
    pub seq: u64,
    /// The canonical path, such as `/v1/chat/completions`, whatever alias was called.
    pub endpoint: &'static str,
    /// The model that was asked for.
    pub model: String,
    /// A stream was asked for.
    pub stream: bool,
    /// The last four characters of the key.
    pub key: String,
    /// The status answered; 0 where there was no answer.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// The last usage that left in the answer; `None` where none did.
    pub reported: Option<Usage>,
    /// What was really produced, up to the point where the answer ended.
    pub produced: Usage,
    /// Bytes of text and tool arguments that left.
    pub content_bytes: u64,
    /// Length of the request body.
    pub body_bytes: u64,
    /// SHA-256 of the request body.
    pub body_sha256: [u8; 32],
}

impl Record {
    /// A request whose head has just arrived.
    pub(crate) fn open(seq: u64, endpoint: &'static str) -> Self {
        Self {
            seq,
            endpoint,
            model: String::new(),
            stream: false,
            key: String::new(),
            status: 0,
            outcome: Outcome::Open,
            reported: None,
            produced: Usage::default(),
            content_bytes: 0,
            body_bytes: 0,
            body_sha256: [0; 32],
        }
    }

    /// The record as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "seq": self.seq,
            "endpoint": self.endpoint,
            "model": self.model,
            "stream": self.stream,
            "key": self.key,
            "status": self.status,
            "outcome": self.outcome.label(),
            "reported": self.reported.as_ref().map(usage_json),
            "produced": usage_json(&self.produced),
            "content_bytes": self.content_bytes,
            "body_bytes": self.body_bytes,
            "body_sha256": hex(&self.body_sha256),
        })
    }
}

fn usage_json(usage: &Usage) -> serde_json::Value {
    serde_json::json!({
        "input": usage.input,
        "output": usage.output,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": usage.cache_write_1h,
        "reasoning": usage.reasoning,
        "tier": usage.tier.label(),
    })
}

/// Sums over the requests of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All requests.
    pub requests: u64,
    /// Those that are still in flight.
    pub in_flight: u64,
    /// Those that were answered to the end, errors included.
    pub complete: u64,
    /// Those that the provider broke off.
    pub cut: u64,
    /// Those whose client went away.
    pub client_gone: u64,
    /// Those answered with 400 or more.
    pub errors: u64,
    /// Sum of what was reported.
    pub reported: Usage,
    /// Sum of what was produced.
    pub produced: Usage,
    /// Bytes of content that left.
    pub content_bytes: u64,
}

impl Totals {
    fn add(&mut self, record: &Record) {
        self.requests += 1;
        match record.outcome {
            Outcome::Open | Outcome::Hung => self.in_flight += 1,
            Outcome::Complete => self.complete += 1,
            Outcome::Cut => self.cut += 1,
            Outcome::ClientGone => self.client_gone += 1,
        }
        self.errors += u64::from(record.status >= 400);
        add_usage(&mut self.reported, &record.reported.unwrap_or_default());
        add_usage(&mut self.produced, &record.produced);
        self.content_bytes += record.content_bytes;
    }

    /// The sums as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "requests": self.requests,
            "in_flight": self.in_flight,
            "complete": self.complete,
            "cut": self.cut,
            "client_gone": self.client_gone,
            "errors": self.errors,
            "reported": usage_json(&self.reported),
            "produced": usage_json(&self.produced),
            "content_bytes": self.content_bytes,
        })
    }
}

fn add_usage(sum: &mut Usage, more: &Usage) {
    sum.input += more.input;
    sum.output += more.output;
    sum.cache_read += more.cache_read;
    sum.cache_write += more.cache_write;
    sum.cache_write_1h += more.cache_write_1h;
    sum.reasoning += more.reasoning;
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct LoggedRequest {
    /// The number of its record.
    pub seq: u64,
    /// The head, byte for byte, up to and including the empty line.
    pub head: Bytes,
    /// The body; `None` where it was larger than a megabyte.
    pub body: Option<Bytes>,
    /// Length of the body.
    pub body_bytes: u64,
    /// SHA-256 of the body.
    pub body_sha256: [u8; 32],
}

impl LoggedRequest {
    /// The request line's target, query included.
    pub fn target(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Header names and values, spelled and ordered as they came.
    pub fn headers(&self) -> Vec<(String, String)> {
        let head = String::from_utf8_lossy(&self.head);
        let line =
            |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        head.split("\r\n").skip(1).filter_map(line).collect()
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON; `null` where it is none.
    pub fn json_body(&self) -> serde_json::Value {
        self.body.as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    /// The request as JSON, the body as text.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "seq": self.seq,
            "target": self.target(),
            "headers": self.headers(),
            "body": self.body.as_ref().map(|body| String::from_utf8_lossy(body)),
            "body_bytes": self.body_bytes,
            "body_sha256": hex(&self.body_sha256),
        })
    }
}

/// The books. Records beyond the newest `keep` are folded into the totals.
pub struct Ledger {
    keep: usize,
    log: usize,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// The number of the newest request.
    last: u64,
    /// Requests up to this one were made before the last reset.
    forgotten: u64,
    records: VecDeque<Record>,
    folded: HashMap<String, Totals>,
    requests: VecDeque<LoggedRequest>,
    logged_bytes: usize,
}

impl Ledger {
    pub(crate) fn new(keep: usize, log: usize) -> Self {
        Self { keep, log, books: Mutex::new(Books::default()) }
    }

    /// The newest records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.books.lock().records.iter().cloned().collect()
    }

    /// The newest record.
    pub fn last(&self) -> Option<Record> {
        self.books.lock().records.back().cloned()
    }

    /// How many requests were made.
    pub fn count(&self) -> u64 {
        let books = self.books.lock();
        books.last - books.forgotten
    }

    /// True when no request is in flight.
    pub fn is_settled(&self) -> bool {
        self.books.lock().records.iter().all(|record| record.outcome.is_settled())
    }

    /// Sums per model, since the start or the last reset.
    pub fn totals(&self) -> BTreeMap<String, Totals> {
        let books = self.books.lock();
        let mut totals: BTreeMap<String, Totals> =
            books.folded.iter().map(|(model, totals)| (model.clone(), *totals)).collect();
        for record in &books.records {
            totals.entry(record.model.clone()).or_default().add(record);
        }
        totals
    }

    /// The newest requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.books.lock().requests.iter().cloned().collect()
    }

    /// Starts new books. Requests in flight are forgotten.
    pub fn reset(&self) {
        let mut books = self.books.lock();
        let last = books.last;
        *books = Books { last, forgotten: last, ..Books::default() };
    }

    pub(crate) fn begin(&self, endpoint: &'static str) -> Record {
        let mut books = self.books.lock();
        books.last += 1;
        let record = Record::open(books.last, endpoint);
        books.records.push_back(record.clone());
        while books.records.len() > self.keep {
            let Some(old) = books.records.pop_front() else { break };
            if old.outcome.is_settled() {
                books.folded.entry(old.model.clone()).or_default().add(&old);
            }
        }
        record
    }

    /// Writes the state of a request. One whose place has gone goes into the totals when it is settled.
    pub(crate) fn put(&self, record: Record) {
        let mut books = self.books.lock();
        if record.seq <= books.forgotten {
            return;
        }
        match books.find(record.seq) {
            Some(place) => *place = record,
            None if record.outcome.is_settled() => {
                books.folded.entry(record.model.clone()).or_default().add(&record);
            }
            None => {}
        }
    }

    /// The connection broke while the end of an answer that was thought complete was still to be written.
    pub(crate) fn was_gone(&self, seq: u64) {
        if let Some(record) = self.books.lock().find(seq) {
            record.outcome = Outcome::ClientGone;
        }
    }

    pub(crate) fn log(&self, request: LoggedRequest) {
        if self.log == 0 {
            return;
        }
        let mut books = self.books.lock();
        if request.seq <= books.forgotten {
            return;
        }
        books.logged_bytes += request.body.as_ref().map_or(0, Bytes::len);
        books.requests.push_back(request);
        while books.requests.len() > self.log || books.logged_bytes > LOGGED_BYTES {
            let Some(old) = books.requests.pop_front() else { break };
            books.logged_bytes -= old.body.as_ref().map_or(0, Bytes::len);
        }
    }
}

impl Books {
    fn find(&mut self, seq: u64) -> Option<&mut Record> {
        let first = self.records.front()?.seq;
        let place = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.records.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(ledger: &Ledger, mut record: Record, output: u64) {
        record.model = "ok".to_owned();
        record.outcome = Outcome::Complete;
        record.produced.output = output;
        ledger.put(record);
    }

    #[test]
    fn totals_survive_the_folding_of_records() {
        let ledger = Ledger::new(2, 0);
        let late = ledger.begin("/v1/chat/completions");
        for _ in 0..4 {
            let record = ledger.begin("/v1/chat/completions");
            settle(&ledger, record, 5);
        }
        settle(&ledger, late, 7);
        assert_eq!(ledger.records().len(), 2);
        let totals = ledger.totals()["ok"];
        assert_eq!((totals.requests, totals.complete, totals.produced.output), (5, 5, 27));
    }

    #[test]
    fn what_began_before_a_reset_stays_out_of_the_new_books() {
        let ledger = Ledger::new(10, 0);
        let old = ledger.begin("/v1/messages");
        ledger.reset();
        settle(&ledger, old, 5);
        assert!(ledger.totals().is_empty() && ledger.count() == 0 && ledger.is_settled());
    }
}
