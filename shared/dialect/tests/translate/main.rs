//! Translation between dialects, over recordings and made-up requests.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod cases;
mod matrix;
mod seen;
