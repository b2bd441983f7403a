//! Requests that go on all the while, on a thread of their own, and what became of each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_testkit::client::{Client, End, Request};
use parking_lot::Mutex;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::{Figures, Node, chat};

/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often health is asked for.
const HEALTH: Duration = Duration::from_millis(100);

struct Sample {
    /// When it was due.
    due: Instant,
    took: Duration,
}

#[derive(Default)]
struct Seen {
    samples: Vec<Sample>,
    failures: Vec<String>,
    health_checks: usize,
}

/// A steady load of chats over some nodes, and a look at their health ten times a second.
pub(crate) struct Traffic {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Requests of one kind to one address, over connections that are kept.
struct Line {
    addr: SocketAddr,
    request: Request,
    name: String,
    idle: RefCell<Vec<Client>>,
}

impl Line {
    fn new(addr: SocketAddr, request: Request, name: String) -> Rc<Self> {
        Rc::new(Self { addr, request, name, idle: RefCell::default() })
    }

    /// What went wrong, if anything.
    async fn ask(&self) -> Result<(), String> {
        let idle = self.idle.borrow_mut().pop();
        let mut client = match idle {
            Some(client) => client,
            None => {
                let connected = Client::connect(self.addr).await;
                connected.map_err(|error| format!("{}: {error}", self.name))?.patience(PATIENCE)
            }
        };
        let answer = client.exchange(&self.request).await;
        if (answer.status, answer.end) != (200, End::Complete) {
            return Err(format!("{}: {} {:?} {}", self.name, answer.status, answer.end, answer.text()));
        }
        self.idle.borrow_mut().push(client);
        Ok(())
    }
}

impl Traffic {
    /// So many chats with `gpt` a second, in turn to each node.
    pub(crate) fn start(nodes: &[&Node], key: &str, rate: u32) -> Self {
        let targets: Vec<_> = nodes.iter().map(|node| (node.name.clone(), node.addr, node.ops)).collect();
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (noted, stopped, request) = (seen.clone(), stop.clone(), chat("gpt", key));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = LocalSet::new();
            local.block_on(&runtime, drive(&targets, &request, rate, &noted, &stopped));
            // What is under way comes to its end.
            runtime.block_on(local);
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// What requests took that were due in this time.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Figures {
        let seen = self.seen.lock();
        let within = seen.samples.iter().filter(|sample| sample.due >= from && sample.due < to);
        Figures::of(within.map(|sample| sample.took))
    }

    /// Lets it go on for a while; what requests took.
    pub(crate) async fn run(&self, time: Duration) -> Figures {
        let from = Instant::now();
        tokio::time::sleep(time).await;
        self.between(from, Instant::now())
    }

    /// Ends it: how many requests there were, none of which may have failed.
    pub(crate) fn finish(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let seen = self.seen.lock();
        let first: Vec<_> = seen.failures.iter().take(5).collect();
        assert!(first.is_empty(), "{} requests failed, such as {first:#?}", seen.failures.len());
        assert!(seen.health_checks > 0);
        seen.samples.len()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn drive(
    targets: &[(String, SocketAddr, SocketAddr)],
    chat: &Request,
    rate: u32,
    seen: &Arc<Mutex<Seen>>,
    stop: &AtomicBool,
) {
    let chats: Vec<_> = targets
        .iter()
        .map(|(name, addr, _)| Line::new(*addr, chat.clone(), format!("a chat on {name}")))
        .collect();
    let health: Vec<_> = targets
        .iter()
        .flat_map(|(name, addr, ops)| {
            let line =
                |addr: &SocketAddr, path| Line::new(*addr, Request::get(path), format!("{path} of {name}"));
            [line(addr, "/health/liveliness"), line(addr, "/health/readiness"), line(ops, "/readyz")]
        })
        .collect();
    let (start, gap) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut next_health = start;
    for (turn, line) in (0..).zip(chats.iter().cycle()) {
        let due = start + gap * turn;
        tokio::time::sleep_until(due).await;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (line, noted) = (line.clone(), seen.clone());
        tokio::task::spawn_local(async move {
            let outcome = line.ask().await;
            let mut seen = noted.lock();
            seen.samples.push(Sample { due, took: due.elapsed() });
            seen.failures.extend(outcome.err());
        });
        if due < next_health {
            continue;
        }
        next_health = due + HEALTH;
        for line in &health {
            let (line, noted) = (line.clone(), seen.clone());
            tokio::task::spawn_local(async move {
                let outcome = line.ask().await;
                let mut seen = noted.lock();
                seen.health_checks += 1;
                seen.failures.extend(outcome.err());
            });
        }
    }
}

/// Notes how late this runtime's own timer is: what is measured meanwhile is not better than that.
pub(crate) struct Watch {
    worst: Arc<Mutex<Duration>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        const EVERY: Duration = Duration::from_millis(5);
        let worst = Arc::<Mutex<Duration>>::default();
        let noted = worst.clone();
        let task = tokio::spawn(async move {
            loop {
                let due = Instant::now() + EVERY;
                tokio::time::sleep_until(due).await;
                let late = due.elapsed();
                let mut worst = noted.lock();
                *worst = late.max(*worst);
            }
        });
        Self { worst, task }
    }

    /// The latest that it was.
    pub(crate) fn late(&self) -> Duration {
        *self.worst.lock()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
