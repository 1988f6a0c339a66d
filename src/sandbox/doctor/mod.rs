//! The operator's `doctor`: tries in confined children what a hostile tool would try.
//!
//! May fork and confine children of its own, and make files and sockets for them to look for. May
//! not run while the server does: it needs a process with one thread, and no server uses it.
//!
//! Held by `tests/escape/`.

mod attempt;
mod battery;
mod host;
mod lent;
mod probe;
mod probes;

pub use battery::{AloneReport, Battery, ProbeReport, check_layers};
pub use host::Host;
pub use probe::Found;
