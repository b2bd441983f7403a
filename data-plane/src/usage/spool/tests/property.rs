//! Whatever happens in whatever order: the control plane gets every event once, in the order of the numbers.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// This many events, and as many exchanges that are begun and ended in between.
    Write(u8),
    Begin,
    End(Index),
    Tend,
    /// The process dies; true: within a write.
    Crash(bool),
    /// So many batches are handed out, and as many of them acknowledged.
    Send(u8, u8),
    /// A new connection.
    Connect,
    /// The control plane's database is restored to what it was.
    Restore(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..120u8).prop_map(Step::Write),
        3 => Just(Step::Begin),
        2 => any::<Index>().prop_map(Step::End),
        4 => Just(Step::Tend),
        1 => any::<bool>().prop_map(Step::Crash),
        4 => (0..8u8, 0..8u8).prop_map(|(send, take)| Step::Send(send, take)),
        1 => Just(Step::Connect),
        1 => any::<Index>().prop_map(Step::Restore),
    ]
}

/// What a control plane has.
#[derive(Default, Clone)]
struct Ledger {
    marks: BTreeMap<Incarnation, u64>,
    money: i64,
    requests: u64,
}

/// What should come of it.
struct Model {
    rig: Rig,
    /// The costs of all events, by incarnation and number.
    written: BTreeMap<Incarnation, Vec<i64>>,
    under_way: BTreeMap<u64, i64>,
    exchanges: u64,
    cost: i64,
    ledger: Ledger,
    backups: Vec<Ledger>,
    restores: bool,
}

impl Model {
    fn new(cap: u64, restores: bool) -> Self {
        Self {
            rig: Rig::new(Options { cap, full: Full::Fold }),
            written: BTreeMap::new(),
            under_way: BTreeMap::new(),
            exchanges: 0,
            cost: 0,
            ledger: Ledger::default(),
            backups: vec![Ledger::default()],
            restores,
        }
    }

    fn events(&mut self) -> &mut Vec<i64> {
        self.written.entry(self.rig.spool().current).or_default()
    }

    fn price(&mut self) -> i64 {
        self.cost += 1;
        self.cost
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write(count) => {
                for _ in 0..count {
                    let cost = self.price();
                    self.events().push(cost);
                    self.rig.write(Vec::new(), vec![(0, encoded(&event(cost, "key")))]);
                }
            }
            Step::Begin => {
                let bound = self.price();
                self.exchanges += 1;
                self.under_way.insert(self.exchanges, bound);
                self.rig.write(vec![(self.exchanges, begun(bound))], Vec::new());
            }
            Step::End(pick) => {
                let begun: Vec<u64> = self.under_way.keys().copied().collect();
                if begun.is_empty() {
                    return;
                }
                let exchange = *pick.get(&begun);
                self.under_way.remove(&exchange);
                let cost = self.price();
                self.events().push(cost);
                self.rig.write(Vec::new(), vec![(exchange, encoded(&event(cost, "key")))]);
            }
            Step::Tend => self.rig.spool().tend(),
            Step::Crash(torn) => self.crash(torn),
            Step::Send(send, take) => {
                let spool = self.rig.spool();
                let batches: Vec<_> =
                    std::iter::from_fn(|| spool.next(4096).unwrap()).take(send.into()).collect();
                for batch in batches.iter().take(take.into()) {
                    self.take(batch);
                }
                self.backups.push(self.ledger.clone());
                // What was sent and not taken is sent again over the next connection.
                if take < send {
                    self.connect();
                }
            }
            Step::Connect => self.connect(),
            Step::Restore(pick) => {
                if self.restores {
                    self.ledger = pick.get(&self.backups).clone();
                    self.connect();
                }
            }
        }
    }

    fn crash(&mut self, torn: bool) {
        if let Some(file) = self.rig.files().pop().filter(|file| torn && file.extension().unwrap() == "seg") {
            let mut text = std::fs::read(&file).unwrap();
            text.extend_from_slice(&[0, 0, 16, 0, 1, 2, 3, 4, 5, 6, 7]);
            std::fs::write(&file, text).unwrap();
        }
        let unknown: Vec<i64> =
            std::mem::take(&mut self.under_way).into_values().map(|bound| -bound).collect();
        self.events().extend(unknown);
        self.rig.restart();
        self.exchanges = 0;
        self.connect();
    }

    fn connect(&self) {
        let spool = self.rig.spool();
        let mark = |of: Incarnation| (of, self.ledger.marks.get(&of).copied().unwrap_or_default());
        spool.resume(&spool.incarnations().into_iter().map(mark).collect::<Vec<_>>());
    }

    /// What the control plane does with a batch.
    fn take(&mut self, batch: &UsageBatch) {
        let incarnation = Incarnation::decode(&batch.incarnation).unwrap();
        let mark = self.ledger.marks.entry(incarnation).or_default();
        assert!(batch.first <= *mark + 1, "{} to {} behind {mark}", batch.first, batch.last);
        if batch.last <= *mark {
            return;
        }
        assert_eq!(batch.first, *mark + 1);
        *mark = batch.last;
        let numbers = usize::try_from(batch.first - 1).unwrap()..usize::try_from(batch.last).unwrap();
        let expected = &self.written[&incarnation][numbers];
        let money: i64 = expected.iter().map(|cost| cost.abs()).sum();
        match batch.what() {
            What::Events => assert_eq!(costs(batch), expected),
            What::Sums => {
                let sums = decoded(batch);
                let requests: u64 = sums.iter().map(|sum| sum.requests).sum();
                assert_eq!(requests, batch.last + 1 - batch.first);
                let sum = |sum: &UsageEvent| sum.bound.unwrap_or_default() + sum.cost.unwrap();
                assert_eq!(sums.iter().map(sum).sum::<i64>(), money);
            }
            What::Lost => panic!("{} to {} are lost", batch.first, batch.last),
        }
        self.ledger.money += money;
        self.ledger.requests += batch.last + 1 - batch.first;
        self.rig.spool().acked(incarnation, batch.last);
    }

    fn finish(mut self) {
        self.crash(false);
        while let Some(batch) = self.rig.spool().next(1 << 20).unwrap() {
            self.take(&batch);
        }
        let all = self.written.values().flatten();
        let (money, requests) = all.fold((0, 0), |(money, count), cost| (money + cost.abs(), count + 1));
        assert_eq!((self.ledger.money, self.ledger.requests), (money, requests));
        assert!(self.rig.spool().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_event_arrives_once(steps in vec(step(), 1..60)) {
        let mut model = Model::new(64 << 20, true);
        steps.into_iter().for_each(|step| model.step(step));
        model.finish();
    }

    #[test]
    fn every_event_arrives_once_or_in_one_sum(steps in vec(step(), 1..80)) {
        let mut model = Model::new(128 << 10, false);
        steps.into_iter().for_each(|step| model.step(step));
        model.finish();
    }
}
