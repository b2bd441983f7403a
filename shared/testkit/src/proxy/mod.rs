//! A TCP proxy that does to connections what networks and failing servers do.
//!
//! The mode can be changed while connections are open ([`FaultProxy::set`], or a line on the control socket), and
//! holds for them, too. It runs on a thread of its own.

mod control;
mod flow;
mod listen;
mod mode;

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::watch;

pub use mode::{Direction, Mode, NoMode};

use crate::thread;

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Setting {
    pub(crate) mode: Mode,
    /// Counts changes of the mode.
    pub(crate) generation: u64,
    /// Counts the orders to reset every connection.
    pub(crate) resets: u64,
}

/// Counters of one proxy.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) from_client: AtomicU64,
    pub(crate) from_upstream: AtomicU64,
    pub(crate) resets: AtomicU64,
    pub(crate) forgotten: AtomicU64,
    pub(crate) ramped: AtomicU64,
}

/// What a proxy has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyStats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open.
    pub open: u64,
    /// Bytes received from clients.
    pub from_client: u64,
    /// Bytes received from the upstream.
    pub from_upstream: u64,
    /// Connections reset, by order or because one side broke.
    pub resets: u64,
    /// Connections forgotten.
    pub forgotten: u64,
}

impl ProxyStats {
    /// The counters as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "connections": self.connections,
            "open": self.open,
            "from_client": self.from_client,
            "from_upstream": self.from_upstream,
            "resets": self.resets,
            "forgotten": self.forgotten,
        })
    }
}

/// Switches a proxy.
#[derive(Clone)]
pub(crate) struct Control {
    settings: Arc<watch::Sender<Setting>>,
    counters: Arc<Counters>,
}

impl Control {
    fn set(&self, mode: Mode) {
        self.counters.ramped.store(0, Ordering::Relaxed);
        self.settings.send_modify(|setting| {
            setting.mode = mode;
            setting.generation += 1;
        });
    }

    fn mode(&self) -> Mode {
        self.settings.borrow().mode
    }

    fn reset_connections(&self) {
        self.settings.send_modify(|setting| setting.resets += 1);
    }

    fn stats(&self) -> ProxyStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProxyStats {
            connections: read(&self.counters.connections),
            open: read(&self.counters.open),
            from_client: read(&self.counters.from_client),
            from_upstream: read(&self.counters.from_upstream),
            resets: read(&self.counters.resets),
            forgotten: read(&self.counters.forgotten),
        }
    }
}

/// A running proxy. Dropping it closes its port and its connections.
pub struct FaultProxy {
    addr: SocketAddr,
    control: Control,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl FaultProxy {
    /// Starts one on a free port of the loopback interface, before `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::listening(any, upstream).expect("a port of the loopback interface can be bound")
    }

    /// Starts one on an address; an error when it cannot be bound.
    pub fn listening(listen: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        let listener = listen::listen(listen)?;
        let addr = listener.local_addr()?;
        let control =
            Control { settings: Arc::new(watch::Sender::new(Setting::default())), counters: Arc::default() };
        let stop = watch::Sender::new(false);
        let door = listen::Door {
            addr,
            upstream,
            settings: control.settings.subscribe(),
            counters: Arc::clone(&control.counters),
            own: HashSet::new(),
            counted: (0, 0),
        };
        let stopped = stop.subscribe();
        let thread =
            thread::runtime("fault-proxy".to_owned(), move || until_stopped(stopped, door.serve(listener)))?;
        Ok(Self { addr, control, stop, threads: Mutex::new(vec![thread]) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Changes what happens, also to open connections.
    pub fn set(&self, mode: Mode) {
        self.control.set(mode);
    }

    /// What is in force.
    pub fn mode(&self) -> Mode {
        self.control.mode()
    }

    /// Resets every open connection, once.
    pub fn reset_connections(&self) {
        self.control.reset_connections();
    }

    /// What has happened so far.
    pub fn stats(&self) -> ProxyStats {
        self.control.stats()
    }

    /// Opens a control socket: it takes the lines that [`Mode`] is written in, and `mode`, `stats` and
    /// `reset-connections`; each is answered with a line.
    pub fn control(&self, listen: SocketAddr) -> io::Result<SocketAddr> {
        let listener = listen::listen(listen)?;
        let addr = listener.local_addr()?;
        let (control, stopped) = (self.control.clone(), self.stop.subscribe());
        let serve = move || {
            until_stopped(stopped, async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                control::serve(listener, control).await;
                Ok(())
            })
        };
        self.threads.lock().push(thread::runtime("fault-proxy-control".to_owned(), serve)?);
        Ok(addr)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.get_mut().drain(..) {
            // A proxy that panicked has failed its own test already.
            let _ = thread.join();
        }
    }
}

/// Runs `work` until the proxy is dropped. A proxy that loses its port cannot go on, which is worth a panic.
async fn until_stopped(mut stopped: watch::Receiver<bool>, work: impl Future<Output = io::Result<()>>) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        done = work => done.expect("the proxy keeps its port"),
    }
}
