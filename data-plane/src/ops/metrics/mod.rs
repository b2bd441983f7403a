//! `/metrics`: the workers' counters added up. What requests lock as well is held no longer than a list takes to be
//! copied.

mod credentials;
mod deployments;
mod link;
mod litellm;
mod litellm_state;
mod node;

use bulkhead_telemetry::page::Page;

use super::Ops;

/// All metrics as text.
pub(super) fn render(ops: &Ops) -> String {
    let mut page = Page::default();
    node::gauges(ops, &mut page);
    node::counters(ops, &mut page);
    node::usage(ops, &mut page);
    node::refusals(ops, &mut page);
    node::overhead(ops, &mut page);
    match &ops.node.link {
        Some(link) => link::write(link, &mut page),
        None => node::reloads(ops, &mut page),
    }
    deployments::write(ops, &mut page);
    deployments::health(ops, &mut page);
    credentials::write(ops, &mut page);
    litellm::write(ops, &mut page);
    page.finish()
}
