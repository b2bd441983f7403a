//! One binary for all targets, so that it is built once: `BULKHEAD_FUZZ` names the target.
#![no_main]

#[path = "../../tests/fuzz/checks/mod.rs"]
mod checks;
mod mutate;

use std::sync::OnceLock;

use checks::Target;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("BULKHEAD_FUZZ").unwrap_or_default();
        let target = Target::all().into_iter().find(|target| target.name() == name);
        TARGET.get_or_init(|| target.unwrap_or_else(|| panic!("BULKHEAD_FUZZ={name}: no target of this name")));
    },
    |input: &[u8]| {
        if let Some(target) = TARGET.get() {
            target.check(input);
        }
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::change(data, size, max_size, seed)
});
