//! How deployments fare, as all workers of the node have seen it: what is under way, how fast answers come, who is left
//! out for a while, and how often a provider's account may be asked again.

mod account;
mod blame;
mod class;
mod latency;
#[cfg(test)]
mod tests;
mod vitals;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use bulkhead_snapshot::{Deployment, Snapshot};
use parking_lot::Mutex;

pub(crate) use account::{Account, patience};
pub(crate) use blame::{Blame, blame, leaves_out};
pub(crate) use class::{counts, is_retried, of_class};
pub(crate) use vitals::{Access, Caps, Leave, Rules, Visit, Vitals};

type Table = HashMap<Box<str>, Arc<Vitals>, foldhash::fast::RandomState>;

/// The vitals of every deployment that was ever picked from. Looking one up takes no lock: the table is replaced as a
/// whole where a deployment is new or gone.
#[derive(Default)]
pub(crate) struct Health {
    table: ArcSwap<Table>,
    accounts: Mutex<HashMap<u64, Weak<Account>>>,
    /// Held from the look at the others of a group until one is left out: of the last two only one is.
    leaving_out: Mutex<()>,
}

impl Health {
    /// The vitals of a deployment. One that has moved to another account starts anew.
    pub(crate) fn of(&self, deployment: &Deployment) -> Arc<Vitals> {
        self.find(deployment).unwrap_or_else(|| self.add(deployment))
    }

    fn find(&self, deployment: &Deployment) -> Option<Arc<Vitals>> {
        self.table.load().get(&deployment.id).filter(|it| it.account_id == deployment.account).cloned()
    }

    fn add(&self, deployment: &Deployment) -> Arc<Vitals> {
        // Also keeps others from replacing the table at the same time.
        let mut accounts = self.accounts.lock();
        if let Some(found) = self.find(deployment) {
            return found;
        }
        let account = accounts.get(&deployment.account).and_then(Weak::upgrade).unwrap_or_default();
        accounts.insert(deployment.account, Arc::downgrade(&account));
        let new = Arc::new(Vitals::new(deployment.account, account));
        let mut table = Table::clone(&self.table.load());
        table.insert(deployment.id.clone(), new.clone());
        self.table.store(Arc::new(table));
        new
    }

    /// Every deployment's, by id.
    pub(crate) fn all(&self) -> Vec<(Box<str>, Arc<Vitals>)> {
        self.table.load().iter().map(|(id, vitals)| (id.clone(), vitals.clone())).collect()
    }

    /// Forgets deployments that are not in the snapshot and have nothing under way.
    pub(crate) fn sweep(&self, snapshot: &Snapshot) {
        let present: HashSet<&str> = snapshot.models.deployments().map(|it| &*it.id).collect();
        let mut accounts = self.accounts.lock();
        let mut left = Table::clone(&self.table.load());
        left.retain(|id, vitals| present.contains(&**id) || vitals.in_flight() > 0);
        self.table.store(Arc::new(left));
        accounts.retain(|_, account| account.strong_count() > 0);
    }
}
