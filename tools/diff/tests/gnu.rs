//! Is it what GNU diff prints? GNU diff itself is asked, about files that proptest makes, in the
//! two forms that kubectl and argocd call it. `AIRLOCK_TEST_DIFFERENTIAL=20000` asks about more.

#![allow(clippy::disallowed_methods, reason = "tests start processes")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "not only #[test] functions are tests here"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant, SystemTime},
};

use proptest::{collection::vec, option, prelude::*, sample::Index};
use tempfile::TempDir;

const OURS: &str = env!("CARGO_BIN_EXE_diff");
const TREES: [&str; 4] = ["-u", "-N", "LIVE", "MERGED"];
const FILES: [&str; 2] = ["LIVE", "MERGED"];
const UNIFIED_FILES: [&str; 4] = TREES;

/// GNU diff: every Debian and Ubuntu has it (diffutils is an essential package).
fn gnu() -> &'static str {
    static GNU: OnceLock<String> = OnceLock::new();
    GNU.get_or_init(|| {
        let told = Command::new("diff")
            .arg("--version")
            .output()
            .expect("these tests ask GNU diff, and there is no `diff` on PATH");
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(
            told.starts_with("diff (GNU diffutils)"),
            "these tests ask GNU diff, and the `diff` on PATH is another: {told}"
        );
        "diff".into()
    })
}

fn run(program: &str, arguments: &[&str], within: &Path) -> Output {
    // What a child gets from the sandbox and what GNU diff would heed.
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(within)
        .env_clear()
        .stdin(Stdio::null());
    command
        .env("PATH", env::var_os("PATH").unwrap())
        .env("LC_ALL", "C")
        .env("TZ", "UTC0")
        .output()
        .unwrap()
}

/// (exit status, standard output, standard error)
fn told(program: &str, arguments: &[&str], within: &Path) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = run(program, arguments, within);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn cases(default: u32) -> ProptestConfig {
    let asked = env::var("AIRLOCK_TEST_DIFFERENTIAL").ok().map(|cases| {
        cases
            .parse()
            .expect("AIRLOCK_TEST_DIFFERENTIAL is a number")
    });
    ProptestConfig {
        cases: asked.unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Files in the two directories, by name.
type Tree = BTreeMap<String, (Option<String>, Option<String>)>;

fn write(tree: &Tree) -> TempDir {
    let within = tempfile::tempdir().unwrap();
    for side in FILES {
        fs::create_dir(within.path().join(side)).unwrap();
    }
    for (name, (live, merged)) in tree {
        for (side, text) in FILES.into_iter().zip([live, merged]) {
            if let Some(text) = text {
                fs::write(within.path().join(side).join(name), text).unwrap();
            }
        }
    }
    within
}

/// What is done to a file to make the other.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Vec<u16>),
    Delete(Index, usize),
    Copy(Index, Index, usize),
}

/// Two versions of a text: lines out of a small pool, so that they repeat, and edits.
fn versions(pool: u16, longest: usize) -> impl Strategy<Value = (String, String)> {
    // Every third line is one of a few, as `name:` and `- ` are in YAML.
    let line = move || prop_oneof![1 => 0..4u16, 2 => 0..pool];
    let edit = prop_oneof![
        3 => (any::<Index>(), vec(line(), 1..6)).prop_map(|(at, lines)| Edit::Insert(at, lines)),
        2 => (any::<Index>(), 1..6usize).prop_map(|(at, lines)| Edit::Delete(at, lines)),
        1 => (any::<Index>(), any::<Index>(), 1..8usize).prop_map(|(from, to, lines)| Edit::Copy(from, to, lines)),
    ];
    (
        vec(line(), 0..longest),
        vec(edit, 0..12),
        any::<[bool; 2]>(),
    )
        .prop_map(|(old, edits, newlines)| {
            let mut new = old.clone();
            for edit in edits {
                let end = new.len() + 1;
                match edit {
                    Edit::Insert(at, lines) => {
                        drop(new.splice(at.index(end)..at.index(end), lines))
                    }
                    Edit::Delete(at, lines) => {
                        drop(new.drain(at.index(end)..(at.index(end) + lines).min(end - 1)))
                    }
                    Edit::Copy(from, to, lines) => {
                        let lines =
                            new[from.index(end)..(from.index(end) + lines).min(end - 1)].to_vec();
                        new.splice(to.index(end)..to.index(end), lines);
                    }
                }
            }
            let text = |lines: Vec<u16>, newline: bool| {
                let text: String = lines.iter().map(|line| format!("line: {line}\n")).collect();
                // Few files end without a newline.
                if newline || text.is_empty() {
                    text
                } else {
                    text[..text.len() - 1].to_owned()
                }
            };
            (
                text(old, newlines[0] || newlines[1]),
                text(new, newlines[0] || !newlines[1]),
            )
        })
}

/// At most five times: beyond that GNU diff leaves lines out of its search.
fn seldom(text: &str) -> String {
    let mut seen = BTreeMap::new();
    text.split_inclusive('\n')
        .filter(|line| {
            let times = seen.entry(line.trim_end().to_owned()).or_insert(0);
            *times += 1;
            *times <= 5
        })
        .collect()
}

fn trees() -> impl Strategy<Value = Tree> {
    let name = "[a-c][A-Za-z0-9.:_ -]{0,12}";
    let pair = (
        versions(60, 120),
        option::weighted(0.9, Just(())),
        option::weighted(0.9, Just(())),
    )
        .prop_map(|((old, new), live, merged)| {
            (live.map(|()| seldom(&old)), merged.map(|()| seldom(&new)))
        });
    proptest::collection::btree_map(name, pair, 0..5)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn directories_compare_as_with_gnu_diff(tree in trees()) {
        let within = write(&tree);
        prop_assert_eq!(told(OURS, &TREES, within.path()), told(gnu(), &TREES, within.path()));
    }

    #[test]
    fn files_compare_as_with_gnu_diff((live, merged) in versions(40, 60)) {
        let within = tempfile::tempdir().unwrap();
        fs::write(within.path().join("LIVE"), seldom(&live)).unwrap();
        fs::write(within.path().join("MERGED"), seldom(&merged)).unwrap();
        prop_assert_eq!(told(OURS, &FILES, within.path()), told(gnu(), &FILES, within.path()));
        prop_assert_eq!(told(OURS, &UNIFIED_FILES, within.path()), told(gnu(), &UNIFIED_FILES, within.path()));
    }

    #[test]
    fn a_diff_of_any_two_files_makes_the_one_of_the_other_and_is_not_longer_than_gnus((live, merged) in versions(6, 150)) {
        let within = tempfile::tempdir().unwrap();
        fs::write(within.path().join("LIVE"), &live).unwrap();
        fs::write(within.path().join("MERGED"), &merged).unwrap();
        let (ours, theirs) = (told(OURS, &UNIFIED_FILES, within.path()), told(gnu(), &UNIFIED_FILES, within.path()));
        prop_assert_eq!((ours.0, &ours.2), (theirs.0, &theirs.2));
        prop_assert_eq!(patched(&live, &ours.1), merged);
        prop_assert!(changed(&ours.1) <= changed(&theirs.1), "{}\n{}", ours.1, theirs.1);
    }
}

/// Lines of a unified diff that are removed or added.
fn changed(diff: &str) -> usize {
    diff.lines()
        .skip(2)
        .filter(|line| line.starts_with(['-', '+']))
        .count()
}

/// What a unified diff makes of a text; it must name the lines that are there.
fn patched(old: &str, diff: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let (mut new, mut at) = (String::new(), 0);
    let mut lines = diff.lines().skip(2).peekable();
    while let Some(line) = lines.next() {
        if let Some(ranges) = line.strip_prefix("@@ -") {
            let (start, length) = ranges
                .split_once(' ')
                .unwrap()
                .0
                .split_once(',')
                .unwrap_or((ranges.split_once(' ').unwrap().0, "1"));
            let start = start.parse::<usize>().unwrap() - usize::from(length != "0");
            new.extend(old[at..start].iter().copied());
            at = start;
            continue;
        }
        let (mark, line) = line.split_at(1);
        let newline = if lines.next_if(|next| next.starts_with('\\')).is_some() {
            ""
        } else {
            "\n"
        };
        if mark != "+" {
            assert_eq!(old[at], format!("{line}{newline}"));
            at += 1;
        }
        if mark != "-" {
            new += line;
            new += newline;
        }
    }
    new.extend(old[at..].iter().copied());
    new
}

/// The shapes that are seldom made by chance: what GNU diff 3.8 printed in C and UTC is kept here,
/// too.
#[test]
fn the_recorded_tree_is_printed_as_gnu_diff_printed_it() {
    let text = |text: &str| Some(text.to_owned());
    let tree = Tree::from([
        (
            "apps.v1.Deployment.shop.web".into(),
            (text("a: 1\nb: 2\nc: 3\n"), text("a: 1\nb: 4\nc: 3\n")),
        ),
        ("binary".into(), (text("a\0b\n"), text("a\0c\n"))),
        (
            "binary.later".into(),
            (
                text(&("x\n".repeat(2048) + "\0a\n")),
                text(&("x\n".repeat(2048) + "\0b\n")),
            ),
        ),
        ("empty.new".into(), (None, text(""))),
        ("gone".into(), (text("a: 1\n"), None)),
        ("new".into(), (None, text("a: 1\nb: 2"))),
        ("same".into(), (text("a: 1\n"), text("a: 1\n"))),
        ("v1.a b".into(), (None, text("x\n"))),
        ("v1.back\\slash \"quoted\" it's".into(), (None, text("x\n"))),
        ("v1.line\nand\ttab\u{1b}[31m".into(), (None, text("x\n"))),
        ("v1.{a}[b]*?!$#~=@%^&+,;'`|<>".into(), (None, text("x\n"))),
        ("v1.ümlaut".into(), (None, text("x\n"))),
    ]);
    let within = write(&tree);
    for side in FILES {
        fs::create_dir(within.path().join(side).join("zz-both")).unwrap();
        for entry in fs::read_dir(within.path().join(side)).unwrap() {
            let written = SystemTime::UNIX_EPOCH + Duration::new(1_795_395_263, 667_207_905);
            fs::File::open(entry.unwrap().path())
                .unwrap()
                .set_modified(written)
                .unwrap();
        }
    }
    fs::create_dir(within.path().join("LIVE/zz-old")).unwrap();
    fs::create_dir(within.path().join("LIVE/zz-turned")).unwrap();
    fs::write(within.path().join("MERGED/zz-turned"), "x\n").unwrap();
    let ours = told(OURS, &TREES, within.path());
    assert_eq!(ours, told(gnu(), &TREES, within.path()));
    assert_eq!(
        ours,
        (
            Some(1),
            include_str!("recorded.txt").to_owned(),
            String::new()
        )
    );
}

/// A diff of argocd's: two files, no options.
#[test]
fn the_normal_format_is_printed_as_gnu_diff_printed_it() {
    let within = tempfile::tempdir().unwrap();
    for (live, merged, printed) in [
        ("a\nb\nc\n", "a\nx\nc\n", "2c2\n< b\n---\n> x\n"),
        ("a\nb\nc\nd\n", "a\nd\n", "2,3d1\n< b\n< c\n"),
        ("", "a\nb\n", "0a1,2\n> a\n> b\n"),
        ("a\nb\n", "", "1,2d0\n< a\n< b\n"),
        (
            "a",
            "a\n",
            "1c1\n< a\n\\ No newline at end of file\n---\n> a\n",
        ),
    ] {
        fs::write(within.path().join("LIVE"), live).unwrap();
        fs::write(within.path().join("MERGED"), merged).unwrap();
        let ours = told(OURS, &FILES, within.path());
        assert_eq!(ours, told(gnu(), &FILES, within.path()));
        assert_eq!(ours, (Some(1), printed.to_owned(), String::new()));
    }
}

#[test]
fn every_other_form_is_refused() {
    let within = write(&Tree::from([(
        "a".into(),
        (Some("x\n".into()), Some("y\n".into())),
    )]));
    let refusal = "airlock-diff 0.1.0 understands `diff FILE FILE` and `diff -u -N A B`, as argocd and kubectl call it\n";
    let forms: [&[&str]; 13] = [
        &[],
        &["--version"],
        &["--help"],
        &["LIVE"],
        &["LIVE", "MERGED", "LIVE"],
        &["-u", "LIVE", "MERGED"],
        &["-N", "-u", "LIVE", "MERGED"],
        &["-uN", "LIVE", "MERGED"],
        &["LIVE", "MERGED", "-u", "-N"],
        &["-u", "-N", "LIVE", "-"],
        &["-u", "-N", "", "MERGED"],
        &["-u", "-N", "--to-file=LIVE", "MERGED"],
        &["-u", "-N", "LIVE", "MERGED", "MERGED"],
    ];
    for form in forms {
        assert_eq!(
            told(OURS, form, within.path()),
            (Some(2), String::new(), refusal.to_owned()),
            "{form:?}"
        );
    }
}

#[test]
fn what_is_no_file_is_named_and_the_rest_is_compared() {
    let within = write(&Tree::from([(
        "plain".into(),
        (Some("x\n".into()), Some("x\n".into())),
    )]));
    let at = |name: &str| within.path().join(name);
    symlink("/etc/passwd", at("LIVE/link")).unwrap();
    symlink("plain", at("MERGED/link.to.plain")).unwrap();
    fs::write(at("LIVE/link.to.plain"), "y\n").unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(at("MERGED/pipe"))
            .status()
            .unwrap()
            .success()
    );
    fs::File::create(at("MERGED/long"))
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    fs::write(at("MERGED/lines"), "\n".repeat(2_000_001)).unwrap();
    let err = "diff: MERGED/lines: it has more than 2000000 lines\n\
               diff: LIVE/link: Too many levels of symbolic links (os error 40)\n\
               diff: MERGED/link.to.plain: Too many levels of symbolic links (os error 40)\n\
               diff: MERGED/long: it is longer than 16 MiB\n\
               diff: MERGED/pipe: it is neither a file nor a directory\n";
    assert_eq!(
        told(OURS, &TREES, within.path()),
        (Some(2), String::new(), err.to_owned())
    );
    let trouble = |arguments: &[&str], err: &str| {
        assert_eq!(
            told(OURS, arguments, within.path()),
            (Some(2), String::new(), err.to_owned())
        )
    };
    trouble(&["LIVE", "MERGED"], "diff: MERGED: it compares two files\n");
    trouble(
        &["LIVE/plain", "MERGED"],
        "diff: MERGED: it compares two files\n",
    );
    trouble(
        &["-u", "-N", "LIVE", "MERGED/plain"],
        "diff: MERGED/plain: it compares two files or two directories\n",
    );
    trouble(
        &["-u", "-N", "nowhere", "MERGED"],
        "diff: nowhere: No such file or directory (os error 2)\n",
    );
    trouble(
        &["LIVE/plain", "nowhere"],
        "diff: nowhere: No such file or directory (os error 2)\n",
    );
    trouble(
        &["LIVE/plain", "/dev/null"],
        "diff: /dev/null: it is neither a file nor a directory\n",
    );
}

/// Texts that are hard to compare end soon, and what comes out is still a diff.
#[test]
fn hostile_files_end_within_seconds() {
    let mut seed = 1u64;
    let mut below = |most: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    let mut lines = |count: usize, pool: u64| {
        (0..count)
            .map(|_| format!("{}\n", below(pool)))
            .collect::<String>()
    };
    let unlike = |mark: &str| {
        (0..900_000)
            .map(|line| format!("{mark} {line:08}\n"))
            .collect::<String>()
    };
    let periodic = |period: usize| {
        (0..1_000_000)
            .map(|line| if line % period == 0 { "b\n" } else { "a\n" })
            .collect::<String>()
    };
    for (what, live, merged) in [
        (
            "two files of 10 MB without a common line",
            unlike("a"),
            unlike("b"),
        ),
        (
            "random lines out of four",
            lines(1_500_000, 4),
            lines(1_500_000, 4),
        ),
        (
            "random lines out of a thousand",
            lines(1_000_000, 1_000),
            lines(1_000_000, 1_000),
        ),
        ("runs that can stand anywhere", periodic(7), periodic(11)),
        (
            "the same lines backwards",
            unlike("a"),
            unlike("a")
                .lines()
                .rev()
                .map(|line| format!("{line}\n"))
                .collect(),
        ),
    ] {
        let within = tempfile::tempdir().unwrap();
        fs::write(within.path().join("LIVE"), &live).unwrap();
        fs::write(within.path().join("MERGED"), &merged).unwrap();
        let started = Instant::now();
        let (status, diff, err) = told(OURS, &UNIFIED_FILES, within.path());
        let took = started.elapsed();
        assert_eq!((status, err.as_str()), (Some(1), ""), "{what}");
        assert!(patched(&live, &diff) == merged, "{what}: the diff is wrong");
        eprintln!("{what}: {took:?}, {} lines", changed(&diff));
        // Ten times what a release build takes: this may be a debug build on a busy machine.
        assert!(took < Duration::from_secs(60), "{what}: {took:?}");
    }
}
