//! What `kubectl logs` prints of a pod: records and lines of the log, in one stream.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::{
    harness::{Server, eventually, kubeconfig_of, program, tools},
    settings::records,
};

/// The documented pipe: `kubectl logs deploy/kube-airlock | kube-airlock audit verify --part -`.
fn verify(stream: &str) -> (i32, String) {
    let mut child = Command::new(program())
        .args(["audit", "verify", "--part", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn the_documented_check_of_a_pods_stream_is_whole_and_finds_what_was_changed() {
    for format in ["text", "json"] {
        let tools = tools();
        let server = Server::with(
            &[
                "--tools-dir",
                tools.to_str().unwrap(),
                "--log-format",
                format,
            ],
            None,
        );
        for _ in 0..3 {
            server.kubectl("delete pod x", &kubeconfig_of("https://192.0.2.1:6443"));
        }
        eventually("three decisions", || {
            records(&server, "decision").len() == 3
        });
        let (audit, log) = (server.audit.clone(), server.log.clone());
        assert!(server.stop().success());
        let (records, log) = (
            fs::read_to_string(audit).unwrap(),
            fs::read_to_string(log).unwrap(),
        );
        // The runtime's order: here each stream in turn, line by line.
        let mut lines: Vec<&str> = Vec::new();
        let mut others = log.lines();
        for record in records.lines() {
            lines.extend(others.next());
            lines.push(record);
        }
        lines.extend(others);
        let stream = |lines: &[&str]| lines.join("\n") + "\n";
        let (status, told) = verify(&stream(&lines));
        assert_eq!(status, 0, "{told}");
        assert!(
            told.starts_with("whole: ") && told.contains("other lines, which are no records"),
            "{told}"
        );
        // What `--tail` and a collector leave.
        assert_eq!(verify(&stream(&lines[5..])).0, 0);
        let decision = lines
            .iter()
            .position(|line| line.contains(r#""event":"decision""#))
            .unwrap();
        for disguise in [
            "2026-11-30T00:43:01Z  INFO kube_airlock: listening",
            r#"{"timestamp":"2026-11-30T00:43:01Z","level":"INFO"}"#,
            &lines[decision].replacen("deny", "allow", 1),
        ] {
            let mut changed = lines.clone();
            changed[decision] = disguise;
            let (status, told) = verify(&stream(&changed));
            assert_eq!(status, 1, "{disguise}: {told}");
        }
    }
}
