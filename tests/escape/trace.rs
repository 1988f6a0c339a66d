//! `kube-airlock trace`: what a program asks beyond a profile is seen, whoever of its threads and
//! children asks.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::harness::{kubeconfig_of, probe, program, tools};

fn trace(arguments: &[&str], kubeconfig: &Path) -> Output {
    Command::new(program())
        .arg("trace")
        .args(arguments)
        .env("HOME", "/nowhere")
        .env("KUBECONFIG", kubeconfig)
        .env_remove("PATH") // kubectl looks through it for plugins
        .output()
        .unwrap()
}

/// The report, and what the program wrote to its standard output.
fn traced(options: &[&str], command: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let (report, kubeconfig) = (
        folder.path().join("report"),
        folder.path().join("kubeconfig"),
    );
    fs::write(&kubeconfig, kubeconfig_of("https://127.0.0.1:1")).unwrap();
    let output = trace(
        &[
            options,
            &["--json", "--output", report.to_str().unwrap(), "--"],
            command,
        ]
        .concat(),
        &kubeconfig,
    );
    let text = fs::read_to_string(&report).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (report, String::from_utf8(output.stdout).unwrap())
}

/// `(call, what becomes of it, whether an entry refuses it)` with all that was seen of its
/// arguments.
fn beyond(report: &Value) -> BTreeSet<String> {
    let told = |call: &Value| {
        let arguments: Vec<_> = call["arguments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|seen| seen["condition"].as_str().unwrap())
            .collect();
        let entry = if call["entry"] == true {
            "entry"
        } else {
            "no entry"
        };
        format!(
            "{} {} {entry}: {}",
            call["call"].as_str().unwrap(),
            call["becomes"].as_str().unwrap(),
            arguments.join("; ")
        )
    };
    report["beyond"]
        .as_array()
        .unwrap()
        .iter()
        .map(told)
        .collect()
}

fn of_probe(options: &[&str], task: &str) -> (Value, String) {
    traced(
        options,
        &[
            probe().join("kubectl").to_str().unwrap(),
            &format!("--selector={task}"),
        ],
    )
}

#[test]
fn kubectl_needs_nothing_that_its_profile_does_not_know() {
    let (report, _) = traced(
        &["plain"],
        &[tools().join("kubectl").to_str().unwrap(), "get", "pods"],
    );
    assert_eq!(
        report["status"],
        serde_json::json!({ "code": 1 }),
        "nobody answers it"
    );
    // What Go tries and does without: names for its memory (PR_SET_VMA), memory that the kernel may
    // drop for the vDSO's getrandom (MAP_DROPPABLE), and how much of the host its cgroup leaves to
    // it.
    let tolerated = [
        "prctl EPERM no entry: arg0 == 0x53564d41 and arg1 == 0x0",
        "mmap EPERM entry: arg2 == 0x3 and arg3 == 0x28",
        "statfs EPERM no entry: ",
    ];
    let surprises: Vec<_> = beyond(&report)
        .into_iter()
        .filter(|call| !tolerated.contains(&call.as_str()))
        .collect();
    assert!(surprises.is_empty(), "{surprises:?}");
    assert!(report["own_files"].as_u64().unwrap() > 0, "its kubeconfig");
    let writes: Vec<_> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["write"] == true)
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[test]
fn a_datagram_socket_is_told_with_its_arguments_and_runs_all_the_same() {
    let (report, told) = of_probe(&["plain"], "datagram:");
    assert_eq!(told, "ok\n");
    let line = "socket EAFNOSUPPORT entry: arg0 == 0x2 and arg1 == 0x2 and arg2 == 0x0";
    assert!(beyond(&report).contains(line), "{report}");
    // Nobody has sockets without a network.
    let (report, _) = of_probe(&["offline"], "datagram:");
    assert!(
        beyond(&report)
            .contains("socket EPERM no entry: arg0 == 0x2 and arg1 == 0x2 and arg2 == 0x0"),
        "{report}"
    );
}

#[test]
fn what_a_program_starts_is_traced_too() {
    let task = format!("exec:{}", probe().join("kubectl").display());
    let (report, _) = of_probe(&["plain"], &task);
    let told = beyond(&report);
    for call in ["execve EPERM no entry: ", "clone EPERM entry: arg0 == "] {
        assert!(
            told.iter().any(|told| told.starts_with(call)),
            "{call}: {told:?}"
        );
    }
    let (report, _) = traced(
        &["plain"],
        &[
            "/bin/sh",
            "-c",
            &format!("{} --selector=datagram:", probe().join("kubectl").display()),
        ],
    );
    assert!(
        beyond(&report)
            .iter()
            .any(|call| call.starts_with("socket ")),
        "{report}"
    );
    // What outlives the program is waited for only as long as it asks.
    let (report, _) = of_probe(&["plain"], "orphan:1");
    assert_eq!(
        (&report["still_running"], &report["status"]),
        (&Value::Bool(true), &serde_json::json!({ "code": 0 }))
    );
}

#[test]
fn files_beyond_the_profile_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let of = |task: &str| {
        let (report, _) = of_probe(&["plain"], &format!("{task}:{}", path.display()));
        let files = report["files"].as_array().unwrap().clone();
        let file = files
            .into_iter()
            .find(|file| file["path"] == path.to_str().unwrap());
        file.map(|file| {
            (
                file["write"].as_bool().unwrap(),
                file["count"].as_u64().unwrap(),
                file["exists"].as_bool().unwrap(),
            )
        })
    };
    assert_eq!(of("read"), Some((false, 1, false)));
    assert_eq!(of("write"), Some((true, 1, false)));
    assert_eq!(of("read"), Some((false, 1, true)));
    if fs::exists("/etc/ssl/certs/ca-certificates.crt").unwrap() {
        let (report, told) = of_probe(&["plain"], "read:/etc/ssl/certs/ca-certificates.crt");
        assert_eq!(told, "ok\n");
        assert!(
            !report["files"].to_string().contains("ca-certificates"),
            "the profile lets it be read: {report}"
        );
    }
}

#[test]
fn what_the_profile_has_and_the_program_does_not_need_is_told_when_every_call_is_asked_about() {
    let (report, _) = of_probe(&["plain"], "datagram:");
    assert!(report.get("unused").is_none());
    // It dials, so it needs `connect` and a socket for it, but no keep-alive: nobody answers.
    let (report, _) = of_probe(&["plain", "--all"], "greeting:127.0.0.1:1");
    let unused = |list: &str, entry: &str| {
        report["unused"][list]
            .as_array()
            .unwrap()
            .iter()
            .any(|known| known == entry)
    };
    let socket = "socket arg0 == 0x2 and arg1 & 0xfff7f7ff == 0x1 and arg2 == 0x0";
    assert_eq!(
        (unused("calls", "connect"), unused("calls", "getpeername")),
        (false, true),
        "{report}"
    );
    assert_eq!(
        (
            unused("conditions", socket),
            unused("conditions", "setsockopt arg1 == 0x1 and arg2 == 0x9")
        ),
        (false, true),
        "{report}"
    );
}

#[test]
fn the_exit_status_is_passed_on_and_a_program_that_does_not_start_has_its_own() {
    let status = |command: &[&str]| {
        trace(
            &[&["offline", "--"], command].concat(),
            Path::new("/nowhere"),
        )
        .status
        .code()
    };
    assert_eq!(status(&["/bin/sh", "-c", "exit 7"]), Some(7));
    assert_eq!(status(&["/bin/sh", "-c", "kill -9 $$"]), Some(137));
    let refused = |command: &[&str]| {
        let output = trace(
            &[&["offline", "--"], command].concat(),
            Path::new("/nowhere"),
        );
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(
        refused(&["kubectl"]),
        (
            Some(125),
            "error: there is no program `kubectl` in PATH\n".into()
        )
    );
    assert_eq!(
        refused(&["/etc"]),
        (
            Some(125),
            "error: `/etc` cannot be executed: EACCES: Permission denied\n".into()
        )
    );
}

#[test]
fn a_process_whose_calls_somebody_answers_already_says_so() {
    let output = trace(
        &[
            "plain",
            "--",
            program().to_str().unwrap(),
            "trace",
            "plain",
            "--",
            "/bin/true",
        ],
        Path::new("/nowhere"),
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(
        told.contains("  found: seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER): EBUSY\n  fix:   "),
        "{told}"
    );
}

#[test]
fn the_report_reads_as_a_table_behind_what_the_program_wrote() {
    let command = [
        "plain",
        "--",
        probe().join("kubectl").to_str().unwrap(),
        "--selector=datagram:",
    ]
    .map(str::to_owned);
    let output = trace(
        &command.each_ref().map(String::as_str),
        Path::new("/nowhere"),
    );
    let told = String::from_utf8(output.stderr).unwrap();
    for line in [
        " exited with 0\n",
        "\ncalls beyond the profile: ",
        "\n  call                   count  in the sandbox          arguments\n",
        "\n  socket                     1  EAFNOSUPPORT, entry     arg0 == 0x2 and arg1 == 0x2 and arg2 == 0x0\n",
        "\nfiles beyond the profile: ",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}
