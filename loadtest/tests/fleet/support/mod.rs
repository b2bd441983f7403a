//! What the tests stand on.

mod api;
mod books;
mod dice;
mod figures;
mod haproxy;
mod kind;
mod load;
mod node;
mod postgres;
mod process;
mod rig;
mod traffic;

use books::priced;

pub(crate) use api::Api;
pub(crate) use books::{Books, Source, check_rollups};
pub(crate) use dice::Dice;
pub(crate) use figures::Figures;
pub(crate) use haproxy::HaProxy;
pub(crate) use kind::{Ask, Fate, Kind, Leaves};
pub(crate) use load::{Asked, Load, Mix};
pub(crate) use node::{Node, chat};
pub(crate) use postgres::{Database, Server};
pub(crate) use process::ControlPlane;
pub(crate) use rig::Rig;
pub(crate) use traffic::{Traffic, Watch};

use std::time::Duration;

use bulkhead_testkit::canary;
use tokio::time::Instant;

/// A master key that passes every check and is a canary.
pub(crate) const MASTER: &str = canary::MASTER_KEY;
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What is promised holds five times as long on a busy machine.
pub(crate) const BUSY: u32 = 5;

static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Where the tests of this binary share a process, each has the machine for itself.
pub(crate) async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// Asks again and again until the answer is good; how long that took.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut good: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    while !good().await {
        assert!(began.elapsed() < PATIENCE, "not {what} in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}
