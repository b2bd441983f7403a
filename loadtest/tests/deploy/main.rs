//! What is shipped for running Bulkhead: the manifests of k8s/, compose.yaml and the images, taken at their word. No
//! cluster is needed: the containers that they describe are run one by one, each confined as it says there.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail loudly and at once, and say what they found"
)]

mod compose;
mod container;
mod database;
mod ingress;
mod manifests;
mod network;
mod running;
mod walls;
