//! All the leases of a process.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::lease::{Entry, Lease};
use crate::machine::Machine;
use crate::network::Network;
use crate::refresh::Fetched;
use crate::unavailable::Unavailable;
use crate::{Environment, Source};

/// One per process. It fetches on the runtime it is given, never on a request's.
pub struct Keeper {
    runtime: Handle,
    machine: Machine,
    /// One for equal sources, as long as somebody holds it.
    leases: Mutex<HashMap<Source, Weak<Lease>>>,
}

impl Keeper {
    /// With the environment of this process.
    pub fn new(runtime: Handle) -> Arc<Self> {
        Self::with_environment(runtime, Environment::of_this_process())
    }

    /// With these variables; AWS's own chain reads those of the process.
    pub fn with_environment(runtime: Handle, environment: Environment) -> Arc<Self> {
        let machine = Machine { environment, network: Network::default() };
        Arc::new(Self { runtime, machine, leases: Mutex::default() })
    }

    /// The lease on what `source` describes: the same one for equal sources. Fetching begins at once; what is declared
    /// in full is there at once. When nobody holds the lease any more, nothing is fetched for it any more.
    pub fn lease(self: &Arc<Self>, source: &Source) -> Arc<Lease> {
        let mut leases = self.leases.lock();
        if let Some(lease) = leases.get(source).and_then(Weak::upgrade) {
            return lease;
        }
        let entry = Entry { keeper: Arc::downgrade(self), source: source.clone() };
        let lease = Arc::new(match source.declared(&self.machine.environment) {
            Some(proof) => Lease::declared(proof, entry),
            None => {
                let (source, machine) = (source.clone(), self.machine.clone());
                Lease::fetched(&self.runtime, entry, move || fetch(source.clone(), machine.clone()))
            }
        });
        leases.insert(source.clone(), Arc::downgrade(&lease));
        lease
    }

    /// Nobody holds this any more, unless somebody asked for it again meanwhile.
    pub(crate) fn forget(&self, source: &Source) {
        let mut leases = self.leases.lock();
        if leases.get(source).is_some_and(|lease| lease.strong_count() == 0) {
            leases.remove(source);
        }
    }
}

async fn fetch(source: Source, machine: Machine) -> Result<Fetched, Unavailable> {
    match source {
        Source::Aws(source) => source.fetch(&machine).await,
        Source::Google(source) => source.fetch(&machine).await,
        Source::Entra(source) => source.fetch(&machine).await,
    }
}

#[cfg(test)]
mod tests;
