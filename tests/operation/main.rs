//! Does a server do for its operator what the documents say: scraped, signalled, verified, locked?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod builds;
mod events;
#[path = "../harness/mod.rs"]
mod harness;
mod operator;
mod ready;
mod scrape;
mod settings;
mod signals;
mod stream;
mod unit;
