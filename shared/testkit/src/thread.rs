//! Test doubles live on threads of their own: a test that pauses its clock or blocks its thread does not stop them.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

/// Runs a future on a new thread with a runtime of its own, until it completes.
pub(crate) fn runtime<F: Future<Output = ()>>(
    name: String,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name).spawn(move || runtime.block_on(make()))
}
