//! Does the memory for reading and judging a command line grow with its length, and no faster?

#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use kube_airlock::{
    catalogue::Catalogue,
    command::{parse, split},
    policy::{Facts, Policy, PolicySource, Target},
    tool::Tool,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[test]
fn memory_grows_with_the_length_of_the_line() {
    let catalogues = Catalogue::carried().unwrap();
    let file = PolicySource::builtin("standard").unwrap();
    let policy = Policy::load(&[file], &catalogues).unwrap();
    let _profiler = dhat::Profiler::builder().testing().build();
    let peak = |text: &str| {
        let before = dhat::HeapStats::get();
        let words = split(Tool::KUBECTL, text);
        let decision = words
            .ok()
            .and_then(|words| parse(&catalogues[0], words, None).ok())
            .map(|line| policy.decide(Facts::new(&line, &Target::default())));
        drop(decision);
        // All that was ever allocated bounds what was held at once.
        dhat::HeapStats::get().total_bytes - before.total_bytes
    };
    for (head, piece) in [
        ("get pods -o jsonpath=", "x"),
        ("get pods", ",deployments"),
        ("get pods -o jsonpath=", "\\{"),
        ("get pods --", "x"),
        ("get pods -", "A"),
        ("get pods", " x"),
        ("get pods", " -L x"),
        ("", "x"),
    ] {
        let line = |length: usize| {
            format!(
                "{head}{}",
                piece.repeat((length - head.len()) / piece.len())
            )
        };
        let (half, whole) = (peak(&line(4096)), peak(&line(8192)));
        assert!(
            whole < 300 * 8192,
            "{head}{piece}…: {whole} bytes for 8 KiB"
        );
        assert!(
            whole < 3 * half.max(4096),
            "{head}{piece}…: {half} bytes for 4 KiB, {whole} for 8 KiB"
        );
    }
}
