//! A steady load of numbered requests of several sorts, on a thread of its own, and what became of each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_testkit::client::Client;
use parking_lot::Mutex;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::Dice;
use super::kind::{Fate, Kind};

/// A request that was made.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its end user in what is recorded of it.
    pub(crate) number: usize,
    /// The place of its sort.
    pub(crate) kind: usize,
    /// The place of the address it went to.
    pub(crate) target: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) fate: Fate,
}

/// What a load is made of.
#[derive(Clone)]
pub(crate) struct Mix {
    /// Each has a model, which has to be declared.
    pub(crate) kinds: &'static [Kind],
    pub(crate) targets: Vec<SocketAddr>,
    /// Used in turn.
    pub(crate) keys: Vec<String>,
    /// Between two requests.
    pub(crate) gap: Duration,
    /// The first number.
    pub(crate) from: usize,
}

/// A load that goes on until it is told to stop.
pub(crate) struct Load {
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    kills: Arc<Vec<AtomicUsize>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(mix: Mix, dice: &mut Dice) -> Self {
        let (asked, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let kills: Arc<Vec<_>> = Arc::new(mix.targets.iter().map(|_| AtomicUsize::default()).collect());
        let driver = Driver {
            mix,
            dice: RefCell::new(dice.split()),
            idle: RefCell::default(),
            asked: asked.clone(),
            kills: kills.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = LocalSet::new();
            local.block_on(&runtime, Rc::new(driver).drive(&stopped));
            // What is under way comes to its end.
            runtime.block_on(local);
        });
        Self { asked, stop, kills, thread: Some(thread) }
    }

    /// Connections to a target are of no use any more.
    pub(crate) fn forget(&self, target: usize) {
        self.kills[target].fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests have come to an end.
    pub(crate) fn count(&self) -> usize {
        self.asked.lock().len()
    }

    /// Ends it: all requests that there were.
    pub(crate) fn finish(mut self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.asked.lock())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A connection that is kept, and how often its target had been killed when it was made.
struct Idle {
    client: Client,
    target: usize,
    kills: usize,
}

struct Driver {
    mix: Mix,
    dice: RefCell<Dice>,
    idle: RefCell<Vec<Idle>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    kills: Arc<Vec<AtomicUsize>>,
}

impl Driver {
    async fn drive(self: Rc<Self>, stop: &AtomicBool) {
        let start = Instant::now();
        let total: u64 = self.mix.kinds.iter().map(|kind| kind.share).sum();
        for turn in 0_u32.. {
            tokio::time::sleep_until(start + self.mix.gap * turn).await;
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let mut rolled = self.dice.borrow_mut().below(total);
            let kind = self.mix.kinds.iter().position(|kind| {
                let is_it = rolled < kind.share;
                rolled = rolled.saturating_sub(kind.share);
                is_it
            });
            let number = self.mix.from + usize::try_from(turn).unwrap();
            let dice = self.dice.borrow_mut().split();
            tokio::task::spawn_local(self.clone().ask(number, kind.unwrap(), dice));
        }
    }

    async fn ask(self: Rc<Self>, number: usize, place: usize, mut dice: Dice) {
        let target = number % self.mix.targets.len();
        let kind = &self.mix.kinds[place];
        // Every key asks every target.
        let key = &self.mix.keys[number / self.mix.targets.len() % self.mix.keys.len()];
        let request = kind.request(number, key, &mut dice);
        let began = Instant::now();
        let kills = self.kills[target].load(Ordering::Relaxed);
        let fate = match self.client(target, kills).await {
            Ok(client) => {
                let (fate, client) = kind.play(client, &request, &mut dice).await;
                self.idle.borrow_mut().extend(client.map(|client| Idle { client, target, kills }));
                fate
            }
            Err(error) => Fate::Broken(format!("connecting: {error}")),
        };
        let asked = Asked { number, kind: place, target, began, ended: Instant::now(), fate };
        self.asked.lock().push(asked);
    }

    async fn client(&self, target: usize, kills: usize) -> std::io::Result<Client> {
        let found = {
            let mut idle = self.idle.borrow_mut();
            idle.retain(|idle| idle.target != target || idle.kills == kills);
            let place = idle.iter().rposition(|idle| idle.target == target);
            place.map(|place| idle.swap_remove(place).client)
        };
        match found {
            Some(client) => Ok(client),
            None => Client::connect(self.mix.targets[target]).await,
        }
    }
}
