//! Translation between dialects, over recordings and made-up requests.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod answers;
mod arbitrary;
mod cases;
mod golden;
mod matrix;
mod parameters;
mod parameters_converse;
mod recorded;
mod seen;
mod seen_converse;
mod speed;
mod splits;
