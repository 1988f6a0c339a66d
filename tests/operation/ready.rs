//! Counters that are there from the start, gauges of the state, and a readiness that says when
//! nothing can be recorded.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    harness::{Server, eventually, kubeconfig_of, tools},
    settings::{Settings, metric, token},
};

#[test]
fn counters_exist_from_the_start_and_gauges_tell_the_state() {
    let (_, web) = token("web");
    let settings = Settings::of(&format!("{web}\n[metrics]\nprincipals = true\n"));
    let server = settings.serve(&[]);
    for zero in [
        r#"airlock_refusals_total{code="unauthenticated"}"#,
        r#"airlock_refusals_total{code="principal_locked"}"#,
        r#"airlock_calls_total{tool="argocd",door="mcp",outcome="ran"}"#,
        r#"airlock_decisions_total{tool="helm",class="secret",effect="deny"}"#,
        r#"airlock_audit_failures_total{event="decision",error="full"}"#,
        r#"airlock_policy_reloads_total{result="refused"}"#,
        r#"airlock_sandbox_failures_total{layer="seccomp"}"#,
        r#"airlock_egress_refusals_total{of="child"}"#,
        r#"airlock_principal_calls_total{principal="web",outcome="refused"}"#,
    ] {
        assert_eq!(metric(&server, zero), Some(0.0), "{zero}");
    }
    for one in [
        "airlock_ready",
        "airlock_audit_writable",
        r#"airlock_tool_available{tool="kubectl"}"#,
        r#"airlock_layer{layer="seccomp",state="enforced"}"#,
        r#"airlock_reload_successful{of="settings"}"#,
    ] {
        eventually(one, || metric(&server, one) == Some(1.0));
    }
    assert!(metric(&server, "airlock_places").unwrap() >= 1.0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let days = |series: &str| (metric(&server, series).unwrap() - now) / 86400.0;
    eventually("the tokens are looked at", || {
        days("airlock_token_first_expiry_timestamp_seconds").is_finite()
    });
    let left = days("airlock_token_first_expiry_timestamp_seconds");
    assert!((89.0..91.0).contains(&left), "{left} days");
    assert!(days(r#"airlock_reload_last_success_timestamp_seconds{of="settings"}"#) > -1.0);
}

#[test]
fn a_server_that_cannot_record_is_not_ready_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=128k,mode=0777 tmpfs {} && exec \"$@\"",
        folder.path().display()
    );
    let mut launcher = Command::new("unshare");
    launcher.args(["--mount", "sh", "-c", &mount, "sh"]);
    let (tools, file) = (tools(), folder.path().join("audit.jsonl"));
    let server = Server::behind(
        launcher,
        &[
            "--tools-dir",
            tools.to_str().unwrap(),
            "--audit-file",
            file.to_str().unwrap(),
        ],
    );
    let seen = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.pid(),
        folder.path().display()
    ));
    let filler = seen.join("filler");
    let _ = fs::write(&filler, vec![0; 256 << 10]); // until it is full
    let ask = || {
        server
            .kubectl("delete pod x", &kubeconfig_of("https://192.0.2.1:6443"))
            .status
    };
    eventually("calls are refused", || ask() == 500);
    let reply = server.get("/ready");
    assert_eq!(reply.status, 503);
    assert!(
        reply
            .text("status")
            .contains("no audit record can be written"),
        "{}",
        reply.text("status")
    );
    assert_eq!(metric(&server, "airlock_ready"), Some(0.0));
    assert_eq!(metric(&server, "airlock_audit_writable"), Some(0.0));
    assert_eq!(
        server.get("/health").status,
        200,
        "a restart would not help"
    );
    fs::remove_file(filler).unwrap();
    // Without a call: nobody sends one to a server that is not ready.
    eventually("it is ready by itself", || {
        server.get("/ready").status == 200
    });
    assert_eq!(ask(), 403);
}
