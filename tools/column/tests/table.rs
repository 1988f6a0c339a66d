//! Tables held against what `column -t` of util-linux 2.38.1 printed, the blanks at the ends of its
//! lines left out.

#![allow(clippy::disallowed_methods, reason = "tests start processes")]
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

fn column(words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_column"));
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input); // one that refuses does not read
    child.wait_with_output().unwrap()
}

#[test]
fn tables_are_those_of_util_linux() {
    for (words, input, expected) in [
        (
            &["-t"][..],
            "a bb ccc\ndddd e\n\n  x\n",
            "a     bb  ccc\ndddd  e\nx\n",
        ),
        (
            &["-t"],
            "NAME\tREADY\nweb-0   1/1\n",
            "NAME   READY\nweb-0  1/1\n",
        ),
        (&["-t"], "é a\nbb c", "é   a\nbb  c\n"),
        (
            &["-t", "-s", ","],
            "a,b,,c\ndddd,e\n",
            "a     b    c\ndddd  e\n",
        ),
        (
            &["-t", "-s", ",", "-o", " | "],
            "a,b,,c\ndddd,e\n",
            "a    | b |  | c\ndddd | e |  |\n",
        ),
        (&["-t", "-o", "|"], "a b c\nd\n", "a|b|c\nd| |\n"),
        (&["-t"], "", ""),
    ] {
        let output = column(words, input.as_bytes());
        assert_eq!(
            (
                String::from_utf8(output.stdout).unwrap().as_str(),
                output.status.code()
            ),
            (expected, Some(0)),
            "{words:?} {input:?}"
        );
    }
}

#[test]
fn every_other_call_is_refused_by_the_version() {
    for words in [
        &[][..],
        &["-x"],
        &["-t", "-s"],
        &["-t", "-s", ""],
        &["-t", "file"],
        &["-t", "-s", ",", "-s", ";"],
        &["-t", "--json"],
    ] {
        let output = column(words, b"a b\n");
        assert_eq!(
            (output.stdout.as_slice(), output.status.code()),
            (&b""[..], Some(2)),
            "{words:?}"
        );
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .starts_with("airlock-column 0.1.0 "),
            "{words:?}"
        );
    }
}
