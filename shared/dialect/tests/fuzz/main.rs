//! What the fuzz targets check, over recordings and over what the fuzzer kept in `shared/dialect/fuzz/corpus`.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod checks;
mod kept;
mod seeds;
