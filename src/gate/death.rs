//! Why a command that ended by itself is no answer: [`of`].
//!
//! A program that ran out of memory says so in ways that its reader does not know, or that a filter
//! behind it hides; and half a document reads like a whole one. Held by `tests/service/honest.rs`.

use super::{outcome::Ran, pipeline::Shares};
use crate::{refusal::Refusal, sandbox::Limits};

/// Returns why what ran is no answer; `kept` is how much of its output an answer may have.
pub(super) fn of(ran: &Ran, shares: &Shares, kept: usize) -> Option<Refusal> {
    out_of_memory(ran, shares).or_else(|| half_document(ran, kept))
}

fn out_of_memory(ran: &Ran, shares: &Shares) -> Option<Refusal> {
    let refusal = |program, limits: Limits| Refusal::OutOfMemory {
        program,
        limit: limits.memory_bytes,
    };
    if ran.stages.is_empty() {
        let is_it = ran.status.code() != 0 && says_so(&ran.stderr.text);
        return is_it.then(|| refusal(ran.tool.as_str(), shares.tool));
    }
    let limits = [shares.tool]
        .into_iter()
        .chain(shares.filters.iter().copied());
    let mut programs = ran.stages.iter().zip(limits).enumerate();
    programs.find_map(|(at, (stage, limits))| {
        // Whoever reads a tool's output may have enough of it before it dies.
        let counts = at > 0 || ran.tool_failed;
        let is_it = counts && stage.status.code() != 0 && says_so(&stage.error);
        is_it.then(|| refusal(stage.program, limits))
    })
}

/// Whether these are the last words of a program that got no memory, and of one that ran here.
fn says_so(errors: &str) -> bool {
    !errors.contains(REMOTE) && OUT_OF_MEMORY.iter().any(|words| errors.contains(words))
}

/// Half of a document is no answer, unless the command says itself that it failed.
fn half_document(ran: &Ran, limit: usize) -> Option<Refusal> {
    let is_half = ran.stdout.is_half && ran.status.code() == 0;
    is_half.then_some(Refusal::HalfDocument {
        bytes: ran.stdout.written,
        limit,
    })
}

/// What Go's runtime says when it gets no memory (runtime/malloc.go, mheap.go, os_linux.go), and
/// busybox. A fault of the runtime itself, which its collector has where it is given no buffer, is
/// told in other words than one of the program (`panic: runtime error`, signal_unix.go).
const OUT_OF_MEMORY: [&str; 7] = [
    "fatal error: runtime: out of memory",
    "fatal error: runtime: cannot allocate memory",
    "fatal error: out of memory",
    "runtime: cannot allocate heap metadata",
    "runtime: failed to create new OS thread",
    "SIGSEGV: segmentation violation\nPC=",
    ": out of memory\n",
];

/// What kubectl says of a program in a container that failed: its errors are not kubectl's.
const REMOTE: &str = "command terminated with exit code";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ran_out_of_memory_is_told_from_one_that_failed() {
        let memory = "fatal error: runtime: out of memory\n";
        let collector = "SIGSEGV: segmentation violation\nPC=0x43297d m=3 sigcode=1 addr=0x0\n";
        assert!(says_so(memory) && says_so("sort: out of memory\n") && says_so(collector));
        assert!(!says_so(
            "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n"
        ));
        assert!(!says_so(
            "Error from server (NotFound): no pod out of memory"
        ));
        assert!(!says_so(&format!("{memory}{REMOTE} 2\n")));
    }
}
