//! What a request costs, fenced: instructions and allocations are counted by valgrind, the same on every machine, and a
//! change that makes a request dearer fails a test. The benchmark of governance is here, too.
//!
//! A fenced workload is an ignored test that goes through `FENCE_ROUNDS` rounds. The fence runs it in a process of its
//! own under valgrind twice, with some rounds and with more, and divides the difference.

mod governance;
mod million;
mod passing;
mod rig;
mod valgrind;

use valgrind::{Cost, cost_of};

/// By how much instructions may rise over the number that is kept here: what compilers and schedules make of the same
/// code. Whoever makes a request cheaper writes the lower number down.
const MARGIN: f64 = 1.15;
/// So many allocations more: a buffer that happens to grow.
const SPARE: f64 = 2.0;

/// Instructions of all threads, allocations of the one that serves; dev profile.
fn assert_within(what: &str, cost: Cost, kept: Cost) {
    assert!(
        cost.instructions <= kept.instructions * MARGIN && cost.allocations <= kept.allocations + SPARE,
        "{what} costs {cost:.0?}; the fence is at {kept:.0?}"
    );
}

#[test]
fn governance_is_not_dearer_than_it_was() {
    let kept = Cost { instructions: 67_300.0, allocations: 9.0 };
    assert_within("governance", cost_of("fence::governance::a_few_keys"), kept);
}

#[test]
fn a_plain_request_is_not_dearer_than_it_was() {
    let kept = Cost { instructions: 331_000.0, allocations: 79.0 };
    assert_within("a plain request", cost_of("fence::passing::plain_requests"), kept);
}

#[test]
fn a_stream_of_twenty_events_is_not_dearer_than_it_was() {
    let kept = Cost { instructions: 783_000.0, allocations: 121.0 };
    assert_within("a stream", cost_of("fence::passing::streams"), kept);
}

#[test]
fn a_bad_key_is_not_dearer_than_it_was() {
    let kept = Cost { instructions: 71_200.0, allocations: 24.0 };
    assert_within("a bad key", cost_of("fence::passing::bad_keys"), kept);
}
