//! The ledger in the database beside the books of the mock provider, request by request.

use std::collections::{BTreeMap, HashMap};

use bulkhead_model::Usage;
use bulkhead_testkit::MockProvider;
use bulkhead_testkit::provider::Record;
use serde_json::{Value, json};

use super::Database;

/// What a token costs where [`priced`] declared the model, in nano-dollars.
const INPUT: u64 = 1000;
const OUTPUT: u64 = 2000;

/// What `/model/new` takes for a model of the mock with a price. A request is one try there, and one event.
pub(crate) fn priced(name: &str, provider: &str, mock: &str, base: &str) -> Value {
    json!({
        "model_name": name,
        "litellm_params": {
            "model": format!("{provider}/{mock}"), "api_base": base, "api_key": "sk-mock-provider",
            "input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_002, "num_retries": 0,
        },
    })
}

fn price(input: u64, output: u64) -> u64 {
    input * INPUT + output * OUTPUT
}

/// How sure an event is of what was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    Reported,
    Estimated,
    Unknown,
}

/// A usage event in the database.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) source: Source,
    pub(crate) failure: String,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
    pub(crate) bound: u64,
    /// Whose it is.
    pub(crate) node: String,
}

impl Event {
    /// The most that it may stand for.
    pub(crate) fn most(&self) -> u64 {
        self.cost.max(self.bound)
    }
}

/// Both ledgers, by the number of the request.
pub(crate) struct Books {
    pub(crate) events: HashMap<usize, Vec<Event>>,
    /// Events of requests without a number, and of what was claimed.
    pub(crate) nameless: Vec<Event>,
    /// What arrived at the mock.
    pub(crate) served: HashMap<usize, Vec<Record>>,
}

/// What the books come to, in nano-dollars.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) reported: u64,
    /// What the provider said of the same requests.
    pub(crate) reported_there: u64,
    /// The bounds of what is estimated and unknown.
    pub(crate) bounds: u64,
    /// All that the provider produced.
    pub(crate) produced: u64,
    pub(crate) by_source: BTreeMap<Source, u64>,
}

impl Books {
    pub(crate) fn read(database: &Database, mock: &MockProvider) -> Self {
        let mut books = Self { events: HashMap::new(), nameless: Vec::new(), served: served(mock) };
        let columns = "source, coalesce(end_user, ''), coalesce(failure, ''), input_tokens, output_tokens, \
            coalesce(cost, 0), coalesce(bound, 0), requests, node";
        for row in database.rows(&everywhere(columns)) {
            let number = |at: usize| row[at].parse::<u64>().unwrap();
            assert_eq!(number(7), 1, "a sum, though there was room for every event: {row:?}");
            let source = match number(0) {
                1 => Source::Reported,
                2 => Source::Estimated,
                3 => Source::Unknown,
                other => panic!("a source of {other}"),
            };
            let event = Event {
                source,
                failure: row[2].clone(),
                input: number(3),
                output: number(4),
                cost: number(5),
                bound: number(6),
                node: row[8].clone(),
            };
            match row[1].parse() {
                Ok(number) => books.events.entry(number).or_default().push(event),
                Err(_) => books.nameless.push(event),
            }
        }
        books
    }

    /// The only event of a request.
    pub(crate) fn event(&self, number: usize) -> Option<&Event> {
        self.events.get(&number)?.first()
    }

    /// Money that was claimed by a process that ended badly, and of which nothing more is known.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Event> {
        self.nameless.iter().filter(|event| event.source != Source::Reported)
    }

    /// What the provider's work for a request cost.
    pub(crate) fn produced(&self, number: usize) -> u64 {
        let legs = self.served.get(&number).into_iter().flatten();
        legs.map(|leg| price(leg.produced.input, leg.produced.output)).sum()
    }

    /// Every request is in the ledger once, what is `reported` is what the provider reported, to the token, and what is
    /// not lies within its bound.
    pub(crate) fn check(&self) -> Sums {
        let mut sums = Sums::default();
        for (number, events) in &self.events {
            let [event] = events.as_slice() else {
                panic!("request {number} counts more than once: {events:?}")
            };
            let legs = self.served.get(number).map_or(&[][..], Vec::as_slice);
            *sums.by_source.entry(event.source).or_default() += 1;
            if event.source == Source::Reported {
                let there = reported(legs);
                assert_eq!((event.input, event.output), there, "request {number}: {event:?}, but {legs:?}");
                let cost = price(event.input, event.output);
                assert_eq!((event.cost, event.bound), (cost, 0), "request {number}: {event:?}");
                sums.reported += event.cost;
                sums.reported_there += price(there.0, there.1);
                continue;
            }
            let produced = self.produced(*number);
            assert!(produced <= event.most(), "request {number} cost {produced}: {event:?} of {legs:?}");
            sums.bounds += event.most();
        }
        sums.bounds += self.claims().map(Event::most).sum::<u64>();
        sums.produced = self.served.keys().map(|number| self.produced(*number)).sum();
        assert_eq!(sums.reported, sums.reported_there);
        let most = sums.reported + sums.bounds;
        assert!((sums.reported..=most).contains(&sums.produced), "{sums:?}");
        sums
    }
}

/// What the provider said of a request. It may have arrived twice, where the first connection broke before an answer.
fn reported(legs: &[Record]) -> (u64, u64) {
    let said: Vec<Usage> = legs.iter().filter_map(|leg| leg.reported).collect();
    assert!(said.len() <= 1, "two answers to one request: {legs:?}");
    if said.is_empty() {
        let produced: u64 = legs.iter().map(|leg| leg.produced.output).sum();
        assert_eq!(produced, 0, "reported, but not by the provider: {legs:?}");
    }
    said.first().map_or((0, 0), |usage| (usage.input, usage.output))
}

/// The mock's records by the end user of the request.
fn served(mock: &MockProvider) -> HashMap<usize, Vec<Record>> {
    let number = |body: &Value| {
        let user = body["user"].as_str().or(body["metadata"]["user_id"].as_str());
        user.and_then(|user| user.parse::<usize>().ok())
    };
    let logged: HashMap<u64, Option<usize>> =
        mock.requests().iter().map(|request| (request.seq, number(&request.json_body()))).collect();
    let mut served = HashMap::<usize, Vec<Record>>::new();
    for record in mock.ledger().records() {
        match logged.get(&record.seq) {
            Some(Some(number)) => served.entry(*number).or_default().push(record),
            // What a test asked before.
            Some(None) => {}
            None => assert_eq!(record.produced, Usage::default(), "an answer to no request: {record:?}"),
        }
    }
    served
}

/// All rollups are what the events add up to, to the unit.
pub(crate) fn check_rollups(database: &Database) {
    let none = |what: &str, query: &str| {
        let rows = database.rows(query);
        assert!(rows.is_empty(), "{what}: {rows:#?}");
    };
    none("rejected", "select reason, node, seq from usage_rejects limit 5");
    none("lost", "select lost, node from usage_marks where lost > 0");
    none("usage_hourly, and the sums of the events", &differing(HOURLY_EVENTS, HOURLY));
    none("entity_spend, and the sums of the events", &differing(SPENT_EVENTS, SPENT));
}

/// Rows that are on one side only.
fn differing(one: &str, other: &str) -> String {
    format!(
        "with e as ({}), one as ({one}), other as ({other}) \
         (select 'events' as side, d.* from (select * from one except select * from other) d limit 5) union all \
         (select 'rollup', d.* from (select * from other except select * from one) d limit 5)",
        everywhere(
            "at, key_id, user_id, team_id, organization_id, model, model_group, deployment, provider, endpoint, \
             source, requests, failures, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, \
             reasoning_tokens, cost, bound, duration_ms"
        )
    )
}

/// These columns of all events.
fn everywhere(columns: &str) -> String {
    format!("select {columns} from usage_events union all select {columns} from usage_late")
}

const HOURLY_EVENTS: &str = "select date_trunc('hour', at, 'UTC') as hour, key_id, coalesce(user_id, ''), \
    coalesce(team_id, ''), coalesce(organization_id, ''), model, model_group, deployment, provider, endpoint, \
    sum(requests), sum(failures), sum(case when cost is null then requests else 0 end), sum(input_tokens), \
    sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), \
    sum(coalesce(cost, 0)), \
    sum(case source when 1 then 0 else greatest(coalesce(bound, 0) - coalesce(cost, 0), 0) end), sum(duration_ms) \
    from e group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10";

const HOURLY: &str = "select hour, key_id, user_id, team_id, organization_id, model, model_group, deployment, \
    provider, endpoint, sum(requests), sum(failures), sum(unpriced), sum(input_tokens), sum(output_tokens), \
    sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost), sum(doubt), sum(duration_ms) \
    from usage_hourly group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10";

const SPENT_EVENTS: &str = "select kind, id, sum(coalesce(cost, 0)) from e cross join lateral (values (0, ''), \
    (1, nullif(key_id, '')), (2, nullif(team_id, '')), (3, nullif(user_id, '')), \
    (4, nullif(team_id, '') || chr(31) || nullif(user_id, ''))) as holder (kind, id) where id is not null group by 1, 2";

const SPENT: &str =
    "select kind, case kind when 0 then '' else id end, sum(amount) from entity_spend group by 1, 2";
