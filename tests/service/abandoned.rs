//! A caller opens a thousand sessions and leaves them: nobody else is refused, and their memory comes back.
//!
//! `make soak` waits until the last of them has been idle for long enough to end, and holds the bound then.

#![allow(clippy::print_stdout, reason = "`make soak` prints what it measured")]

use std::{env, thread, time::Duration};

use crate::{
    fairness::{NO_RATE, Shared},
    harness::held,
};

/// How long a session may be idle, and a little more.
const UNTIL_IDLE_ONES_END: Duration = Duration::from_secs(330);

#[test]
fn soak_a_thousand_sessions_that_are_left_refuse_nobody_and_their_memory_comes_back() {
    let shared = Shared::with(NO_RATE);
    let (alice, bob) = (shared.alice.as_str(), shared.bob.as_str());
    let bobs = shared.session(bob);
    for _ in 0..50 {
        assert_eq!(shared.lists(bob, &bobs), 200);
    }
    let (_, before) = held(shared.server.pid());
    for opened in 0..1000 {
        shared.session(alice);
        if opened % 10 == 0 {
            assert_eq!(shared.lists(bob, &bobs), 200, "after {opened} sessions");
        }
        if opened % 100 == 0 {
            assert_eq!(shared.hello(bob, &[], "t").status, 200, "after {opened}");
        }
    }
    let (_, after) = held(shared.server.pid());
    println!("{before} KiB before, {after} KiB after a thousand sessions");
    if env::var_os("AIRLOCK_TEST_SOAK").is_none() {
        return; // the rest waits for minutes
    }
    thread::sleep(UNTIL_IDLE_ONES_END);
    let (_, idle) = held(shared.server.pid());
    println!("{idle} KiB when the last has ended");
    assert!(idle <= before + 5 * 1024, "{before} KiB, then {idle}");
}
