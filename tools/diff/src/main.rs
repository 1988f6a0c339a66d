//! `diff`, as far as a confined kubectl or argocd calls it, and nothing else.
//!
//! In: two paths that the tool has just written. Out: byte for byte what GNU diff 3.8 prints in the
//! C locale and UTC, and its exit status: 0 same, 1 different, 2 trouble. It reads the paths that
//! it is given and no environment; it writes nothing but its output, starts nothing, and has one
//! thread.
//!
//! kubectl runs `diff -u -N LIVE-DIR MERGED-DIR` (k8s.io/kubectl v0.37.2 pkg/cmd/diff/diff.go,
//! `getCommand`), argocd `diff LIVE-FILE TARGET-FILE` (argo-cd v3.6.1 util/cli/cli.go,
//! `PrintDiff`), or with `KUBECTL_EXTERNAL_DIFF="diff -u -N"` the same two files after `-u -N`.
//! Every other form is refused.
//!
//! Held by `tests/gnu.rs`.

#![deny(unsafe_code)]
// What the library does before `main` changes the protection of memory, for a handler that says
// "stack overflow"; its sandbox lets nobody do that.
#![cfg_attr(not(test), no_main)]

mod script;
mod print;
mod compare;

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, BufWriter, Write},
};

use compare::{Comparison, Outcome};
use print::Format;

/// Said to everybody who calls it as they would the real one; `tools/build` looks for the version
/// in it.
const REFUSAL: &str = concat!(
    "airlock-diff ",
    env!("CARGO_PKG_VERSION"),
    " understands `diff FILE FILE` and `diff -u -N A B`, as argocd and kubectl call it"
);

/// Where the C library begins. The words come from `env`, which has them on Linux whoever calls.
#[cfg(not(test))]
#[expect(unsafe_code, reason = "the program has no other symbol of this name")]
#[unsafe(no_mangle)]
extern "C" fn main(
    _count: std::ffi::c_int,
    _words: *const *const std::ffi::c_char,
) -> std::ffi::c_int {
    run().status()
}

#[cfg_attr(
    test,
    expect(dead_code, reason = "the tests have a `main` of their own")
)]
fn run() -> Outcome {
    let words: Vec<OsString> = env::args_os().skip(1).take(5).collect();
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let (format, old, new) = match *words.as_slice() {
        [old, new] => (Format::Normal, old, new),
        [u, n, old, new] if u == "-u" && n == "-N" => (Format::Unified, old, new),
        _ => return refuse(),
    };
    // The tools' paths are absolute. A dash would be an option, or standard input.
    if [old, new]
        .iter()
        .any(|path| path.is_empty() || path.as_encoded_bytes().starts_with(b"-"))
    {
        return refuse();
    }
    // Only what a pipe takes at once is kept: the output may be larger than the input.
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let outcome =
        Comparison::new(format, &mut out, &mut io::stderr()).run(old.as_ref(), new.as_ref());
    outcome
        .and_then(|outcome| out.flush().map(|()| outcome))
        .unwrap_or_else(|error| {
            // Whoever reads it is gone, and so may be the reader of this.
            let _ = writeln!(io::stderr(), "diff: standard output: {error}");
            Outcome::Trouble
        })
}

fn refuse() -> Outcome {
    let _ = writeln!(io::stderr(), "{REFUSAL}");
    Outcome::Trouble
}
