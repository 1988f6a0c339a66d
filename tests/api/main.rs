//! Is every request of an honest tool explained by its command, and no request of a lying one?
//!
//! `traces.rs` replays what the real tools asked of a real API server (`tests/corpus/api-traces/`,
//! which `record.rs` makes); `lies.rs` asks for more than honest commands explain, and `bodies.rs`
//! changes more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]
#![allow(clippy::print_stdout, reason = "the recorder says what failed")]

mod bodies;
#[path = "../harness/mod.rs"]
mod harness;
mod lies;
mod meshes;
mod record;
mod releases;
mod traces;

use std::sync::LazyLock;

use kube_airlock::{
    api::Authority,
    catalogue::Catalogue,
    command::{Invocation, parse, split_stages},
    tool::Tool,
};

/// The namespace of the contexts that the commands are read with.
pub const CONTEXT: &str = "default";

/// Reads a command line that begins with its tool.
pub fn invocation(line: &str) -> Invocation {
    static CARRIED: LazyLock<Vec<Catalogue>> = LazyLock::new(|| Catalogue::carried().unwrap());
    let (tool, command) = line.split_once(' ').unwrap();
    let tool: Tool = tool.parse().unwrap();
    let catalogue = CARRIED.iter().find(|it| it.tool() == tool).unwrap();
    let stages = split_stages(tool, command).unwrap();
    parse(catalogue, stages.command, None).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// What a command line may ask.
pub fn authority(line: &str) -> Authority {
    Authority::of(&invocation(line), CONTEXT)
}
