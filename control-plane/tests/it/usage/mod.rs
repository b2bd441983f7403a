//! The ingest of usage: each number once, whatever comes between.

mod marks;
mod outages;
mod partitions;
mod poison;
mod replicas;
mod support;
