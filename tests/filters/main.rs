//! What can a filter do when its parser has been got around? The real programs, in their profiles,
//! with words that the parser refuses; each also as a plain process, where it does what it wants.
//!
//! Without the test harness: a spawner is forked while there is one thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::print_stdout, reason = "the closing line of a test runner")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use kube_airlock::{
    command::{Filter, FilterProgram},
    sandbox::{
        FilterStreams, Levels, Limits, Profiles, Program, Sandbox, Slots, claim_users, fork_spawner,
    },
};
use nix::{fcntl::OFlag, unistd::pipe2};
use tokio::{io::AsyncReadExt, net::unix::pipe, time::timeout};

const SLOTS: Slots = Slots {
    tools: 0,
    filters: 64,
};

/// What an attack wants: that this file comes back, or that the program's output does.
const SECRET: &str = "airlock-canary-of-a-file";

type Flags = Vec<(&'static str, Vec<String>)>;

fn main() {
    let tools = PathBuf::from(
        env::var_os("AIRLOCK_TEST_BIN").expect("AIRLOCK_TEST_BIN is not set: run `make test`"),
    );
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let file = folder.path().join("file");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let written = folder.path().join("written");
    let (file, written) = (
        file.to_str().unwrap().to_owned(),
        written.to_str().unwrap().to_owned(),
    );
    let own = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let reading = |text: &str| text.replace("FILE", &file).replace("WRITTEN", &written);

    // The filter, its flags, its operands, and whether it would write to a file instead of
    // printing.
    let attacks: Vec<(&str, Flags, Vec<String>, bool)> = vec![
        (
            "awk",
            vec![],
            own(&[&reading("BEGIN { system(\"/bin/cat FILE\") }")]),
            false,
        ),
        (
            "awk",
            vec![],
            own(&[&reading(
                "BEGIN { while ((getline l < \"FILE\") > 0) print l }",
            )]),
            false,
        ),
        (
            "awk",
            vec![],
            own(&[&reading("BEGIN { \"/bin/cat FILE\" | getline l; print l }")]),
            false,
        ),
        (
            "awk",
            vec![],
            own(&[&reading("BEGIN { print \"x\" > \"WRITTEN\" }")]),
            true,
        ),
        ("awk", vec![], own(&["{ print }", &file]), false),
        (
            "sed",
            vec![("-e", own(&[&reading("r FILE")]))],
            vec![],
            false,
        ),
        (
            "sed",
            vec![("-e", own(&[&reading("w WRITTEN")]))],
            vec![],
            true,
        ),
        (
            "sed",
            vec![("-n", vec![]), ("-e", own(&["p"]))],
            own(&[&file]),
            false,
        ),
        (
            "grep",
            vec![("-f", own(&[&file])), ("-v", vec![])],
            own(&[&file, &file]),
            false,
        ),
        (
            "grep",
            vec![("-e", own(&["airlock"]))],
            own(&[&file]),
            false,
        ),
        (
            "grep",
            vec![("-r", vec![]), ("-e", own(&["airlock"]))],
            own(&[folder.path().to_str().unwrap()]),
            false,
        ),
        ("sort", vec![], own(&[&file]), false),
        ("sort", vec![("-o", own(&[&written]))], vec![], true),
        ("head", vec![], own(&[&file]), false),
        ("tail", vec![], own(&[&file]), false),
        ("uniq", vec![], own(&["-", &written]), true),
        ("cut", vec![("-c", own(&["1-"]))], own(&[&file]), false),
        (
            "jq",
            vec![
                ("--raw-input", vec![]),
                ("--raw-output", vec![]),
                ("--rawfile", own(&["x", &file])),
            ],
            own(&["$x"]),
            false,
        ),
        (
            "jq",
            vec![("--raw-input", vec![]), ("--raw-output", vec![])],
            own(&[".", &file]),
            false,
        ),
        (
            "yq",
            vec![("--expression", own(&[&format!("load_str(\"{file}\")")]))],
            vec![],
            false,
        ),
    ];

    let programs = FilterProgram::ALL
        .map(|program| {
            (
                Program::Filter(program),
                tools.join("filters").join(program.as_str()),
            )
        })
        .to_vec();
    let users = nix::unistd::geteuid()
        .is_root()
        .then(|| claim_users(52_000, 64).unwrap());
    let link = fork_spawner(
        programs,
        Profiles::load().unwrap(),
        Levels::default(),
        users,
        SLOTS,
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let sandbox = Sandbox::new(link, SLOTS).unwrap();
        for program in FilterProgram::ALL {
            sandbox
                .open(Program::Filter(program))
                .await
                .unwrap()
                .unwrap();
        }
        // The control: it works at all, confined.
        let (output, _) = confined(
            &sandbox,
            &Filter::parse(own(&["awk", "{ print $1 }"])).unwrap(),
        )
        .await;
        assert_eq!(output, "one\n");

        for (name, flags, operands, writes) in attacks {
            let _ = fs::remove_file(&written);
            let filter = Filter::unread(name, flags, operands).unwrap();
            let argv = filter.argv();
            if name != "yq" {
                // yq's own switch stops it, which is always given; the sandbox is the second wall.
                let control = unconfined(
                    &tools.join("filters").join(filter.program().as_str()),
                    &argv,
                );
                let did = if writes {
                    fs::exists(&written).unwrap()
                } else {
                    control.contains(SECRET) || name == "grep"
                };
                assert!(did, "the control: {argv:?}: {control}");
            }
            let _ = fs::remove_file(&written);
            let (output, errors) = confined(&sandbox, &filter).await;
            assert!(
                !output.contains(SECRET) && !errors.contains(SECRET),
                "{argv:?}: {output} {errors}"
            );
            assert!(!fs::exists(&written).unwrap(), "{argv:?} has written");
        }
        // No program of the folder is run under another name than a filter's.
        for (name, flag) in [("sort", "--compress-program=sh"), ("sed", "-i")] {
            assert!(
                Filter::parse(own(&[name, flag, "x"])).is_err(),
                "{name} {flag}"
            );
        }
    });
    println!("test no_filter_reads_writes_or_runs_anything ... ok\n");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}

/// Runs a filter in its sandbox on one line; what it printed on both streams.
async fn confined(sandbox: &Sandbox, filter: &Filter) -> (String, String) {
    let (stdin, ours) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let (theirs, stdout) = pipe2(OFlag::O_CLOEXEC).unwrap();
    fs::File::from(ours).write_all(b"one two\n").unwrap();
    let limits = Limits {
        memory_bytes: 256 << 20,
        cpu_seconds: 10,
    };
    let (mut child, mut stderr) = sandbox
        .start_filter(filter, FilterStreams { stdin, stdout }, limits)
        .await
        .unwrap();
    let mut out = pipe::Receiver::from_owned_fd(theirs).unwrap();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    timeout(Duration::from_secs(20), async {
        out.read_to_end(&mut output).await.unwrap();
        stderr.read_to_end(&mut errors).await.unwrap();
        child.wait().await;
    })
    .await
    .unwrap_or_else(|_| panic!("{:?} does not end", filter.argv()));
    (
        String::from_utf8_lossy(&output).into_owned(),
        String::from_utf8_lossy(&errors).into_owned(),
    )
}

/// The same as a plain process.
fn unconfined(program: &std::path::Path, argv: &[String]) -> String {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command
        .arg0(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"one two\n");
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}
