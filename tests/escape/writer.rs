//! A child that writes and starts processes: nothing of it stays, and others have room meanwhile.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::harness::{Server, eventually, kubeconfig_of, probe};

const ONE_VERB: &str = r#"schema = 1
[[rule]]
id = "diff"
effect = "allow"
reason = "this test"
tool = "argocd"
verbs = ["app diff"]
flags = ["--revision"]
[[rule]]
id = "get"
effect = "allow"
reason = "this test"
tool = "kubectl"
verbs = ["get"]
flags = ["--selector"]
namespaces = ["*"]
"#;

/// A server whose argocd is the probe, and the turn: the room for what one child writes is
/// everybody's.
fn server() -> (Server, tempfile::TempDir, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, ONE_VERB).unwrap();
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--policy",
        policy.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    let state =
        |tool: &str| server.get("/tools/status").json()["tools"][tool]["state"] == "available";
    eventually("the tools are there", || {
        state("argocd") && state("kubectl")
    });
    (server, folder, turn)
}

/// What `argocd app diff` says that does `task`.
fn told(server: &Server, task: &str) -> serde_json::Value {
    let sent = [
        ("Content-Type", "application/json"),
        ("X-Argocd-Server", "127.0.0.1:1"),
        ("X-Argocd-Auth-Token", "a.test.token"),
    ];
    let body =
        serde_json::json!({ "command": format!("app diff shop --revision '{task}'") }).to_string();
    server
        .send("POST", "/tools/argocd", &sent, body.as_bytes())
        .json()
}

#[test]
fn what_a_child_writes_goes_with_it() {
    let (server, _folder, _turn) = server();
    let told = told(&server, "litter:");
    assert_eq!(
        told["output"].as_str().map(str::trim_end),
        Some("ok"),
        "{told}"
    );
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn what_a_child_starts_goes_with_it() {
    let (server, _folder, _turn) = server();
    let told = told(&server, "multiply:4");
    assert_eq!(
        told["output"].as_str().map(str::trim_end),
        Some("ok"),
        "{told}"
    );
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn a_child_that_leaves_processes_behind_keeps_nobody_waiting() {
    let (server, _folder, _turn) = server();
    let calls_during = |task: &str| {
        thread::scope(|scope| {
            let other = scope.spawn(|| told(&server, task));
            thread::sleep(Duration::from_secs(1));
            let mut calls = 0;
            while !other.is_finished() {
                let reply =
                    server.kubectl("get pods -l sleep:0", &kubeconfig_of("https://127.0.0.1:1"));
                assert_eq!(reply.text("output").trim_end(), "ok", "{}", reply.json());
                calls += 1;
            }
            assert_eq!(
                other.join().unwrap()["output"].as_str().map(str::trim_end),
                Some("ok")
            );
            calls
        })
    };
    let (beside_one_that_sleeps, beside_one_that_spawns) =
        (calls_during("sleep:5"), calls_during("spawn:5"));
    // They share the processors, and nothing else: a tenth is much less than that, and much more
    // than one.
    assert!(
        beside_one_that_spawns * 10 >= beside_one_that_sleeps,
        "{beside_one_that_spawns} of {beside_one_that_sleeps}"
    );
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn a_child_that_fills_the_file_system_is_ended_while_others_have_room() {
    let (server, _folder, _turn) = server();
    for size in [0, 1] {
        thread::scope(|scope| {
            let filling = scope.spawn(|| told(&server, &format!("fill:{size}")));
            while !filling.is_finished() {
                let reply =
                    server.kubectl("get pods -l sleep:0", &kubeconfig_of("https://127.0.0.1:1"));
                assert_eq!(reply.text("output").trim_end(), "ok", "{}", reply.json());
                thread::sleep(Duration::from_millis(20));
            }
            let told = filling.join().unwrap();
            assert_eq!(told["exit_code"], 137, "{told}");
            assert!(told["duration_ms"].as_u64().unwrap() < 20_000, "{told}");
        });
        eventually("nothing is left", || {
            server.children().is_empty() && server.workspaces().is_empty()
        });
    }
}
