//! Tools that are started, confined, before their call: does a call get one, and only one, and only
//! a call?

use std::{fs, net::TcpListener, path::PathBuf, process::Command, thread};

use crate::harness::{
    Server, base64_of, cluster, eventually, kubeconfig_of, public_tools, tools, workspace_of,
};

/// A server with these settings besides what it needs.
fn server(settings: &str, user: Option<u32>) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(&config, settings).unwrap();
    let folder_of_tools = public_tools().to_str().unwrap();
    let egress = cluster().server.to_string();
    let flags = [
        "--config",
        config.to_str().unwrap(),
        "--tools-dir",
        folder_of_tools,
        "--egress-allow",
        &egress,
        "--egress-allow",
        "127.0.0.1",
    ];
    let server = Server::with(&flags, user);
    (folder, server)
}

/// Whether each call that has ended ran in a tool that had waited.
fn warm(server: &Server) -> Vec<bool> {
    let records = server
        .records()
        .into_iter()
        .filter(|record| record["event"] == "end");
    records.map(|record| record["warm"] == true).collect()
}

/// A limit of a process, as its kernel tells it.
fn limit(pid: u32, name: &str) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn the_next_call_is_warm(user: Option<u32>) {
    let (_folder, server) = server("", user);
    let (view, admin) = (base64_of(&cluster().view), base64_of(&cluster().admin));
    assert!(server.waiting().is_empty(), "nobody has asked for anything");
    let first = server.kubectl("get pods -A", &view).json();
    assert_eq!(first["success"], true, "{first}");
    let mut seen: Vec<u32> = Vec::new();
    for round in 0..4 {
        let waiting = server.keeps_waiting(2);
        for pid in &waiting {
            let workspace = workspace_of(*pid).unwrap();
            assert_eq!(
                fs::metadata(workspace.join("kubeconfig")).unwrap().len(),
                0,
                "it has seen nothing of a request"
            );
            assert_eq!(
                fs::read_link(format!("/proc/{pid}/exe")).unwrap(),
                fs::canonicalize(public_tools().join("kubectl")).unwrap()
            );
        }
        // Whose the answer is changes with each call, and the tool that waited has not known it.
        let (kubeconfig, own) = if round % 2 == 0 {
            (&admin, "system:masters")
        } else {
            (&view, ":agent")
        };
        let reply = server.kubectl("auth whoami -o yaml", kubeconfig).json();
        let told = reply["output"].as_str().unwrap();
        assert!(told.contains(own), "{reply}");
        assert_eq!(told.contains("system:masters"), round % 2 == 0, "{reply}");
        let all = server.kubectl("get pods -A", &view).json();
        assert_eq!(
            all["output"].as_str().unwrap().lines().count(),
            first["output"].as_str().unwrap().lines().count(),
            "{all}"
        );
        seen.extend(waiting);
    }
    eventually("each call is recorded", || warm(&server).len() == 9);
    let started_warm = warm(&server).into_iter().filter(|warm| *warm).count();
    assert!(started_warm >= 6, "{:?}", warm(&server));
    // One request is all that a tool gets: none of those that waited waits again.
    let waiting = server.keeps_waiting(2);
    seen.extend(&waiting);
    let (mut all, before) = (seen.clone(), seen.len());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), before, "one waited twice: {seen:?}");
    let told = |tool: &str| server.get("/tools/status").json()["tools"][tool]["warm"].as_u64();
    eventually("they are told", || {
        (told("kubectl"), told("helm")) == (Some(2), Some(0))
    });
    let metrics = server.get("/metrics").body;
    assert!(String::from_utf8_lossy(&metrics).contains("airlock_warm 2"));
    let work: PathBuf = server.work.path().to_owned();
    let held = fs::read_dir(&work).unwrap().count();
    assert_eq!(held, 1);
    assert!(server.stop().success());
    eventually("no tool that waited lives on", || {
        waiting
            .iter()
            .all(|pid| !PathBuf::from(format!("/proc/{pid}")).exists())
    });
}

#[test]
fn the_next_call_finds_a_tool_that_waits_and_has_it_alone() {
    the_next_call_is_warm(None);
}

#[test]
fn a_server_without_root_has_tools_that_wait_too() {
    the_next_call_is_warm(Some(65532));
}

#[test]
fn a_tool_that_waited_has_the_limits_of_its_call() {
    let (_folder, server) = server(
        "[limits]\ntimeout = \"5s\"\nlongest_timeout = \"60s\"\nmemory = \"1GiB\"\n",
        None,
    );
    // It accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let kubeconfig = kubeconfig_of(&format!("https://{}", silent.local_addr().unwrap()));
    server.kubectl("get pods -A", &base64_of(&cluster().view));
    for (command, memory) in [("get pods", 1024 << 20), ("get pods | head -1", 1000 << 20)] {
        let waiting = server.keeps_waiting(2);
        assert!(
            waiting.iter().all(|pid| limit(*pid, "Max cpu time") == 65),
            "the most that any call may take"
        );
        thread::scope(|scope| {
            let call = scope.spawn(|| server.kubectl(command, &kubeconfig));
            let taken = || {
                waiting
                    .iter()
                    .copied()
                    .find(|pid| server.children().contains(pid))
            };
            eventually("one of them runs the call", || taken().is_some());
            let pid = taken().unwrap();
            eventually("its limits are the call's", || {
                limit(pid, "Max data size") == memory
            });
            assert!(
                (10..13).contains(&limit(pid, "Max cpu time")),
                "{}",
                limit(pid, "Max cpu time")
            );
            let reply = call.join().unwrap().json();
            assert_eq!(reply["code"], "timeout", "{reply}");
        });
        eventually("nothing is left", || {
            server.children().is_empty() && server.workspaces().is_empty()
        });
    }
    assert!(server.stop().success());
}

#[test]
fn the_longest_call_finds_a_tool_that_waits_too_and_so_does_one_under_a_lower_limit_of_the_servers()
{
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(
        &config,
        "[limits]\ntimeout = \"20s\"\nlongest_timeout = \"20s\"\n",
    )
    .unwrap();
    let (egress, tools) = (cluster().server.to_string(), tools());
    let mut launcher = Command::new("prlimit");
    launcher.arg("--data=900000000:900000000");
    let flags = [
        "--config",
        config.to_str().unwrap(),
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &egress,
    ];
    let server = Server::behind(launcher, &flags);
    let view = base64_of(&cluster().view);
    for _ in 0..3 {
        let reply = server.kubectl("get pods", &view).json();
        assert_eq!(reply["success"], true, "{reply}");
        server.keeps_waiting(2);
    }
    eventually("they are recorded", || warm(&server).len() == 3);
    assert_eq!(warm(&server)[1..], [true, true]);
    assert!(server.stop().success());
}

#[test]
fn a_tool_that_dies_while_it_waits_costs_no_call() {
    let (_folder, server) = server("[warm]\nkubectl = 1\n", None);
    let view = base64_of(&cluster().view);
    for round in 0..3 {
        let reply = server.kubectl("get pods", &view).json();
        assert_eq!(reply["success"], true, "{round}: {reply}");
        let pid = server.keeps_waiting(1)[0];
        // From outside, as a kernel without memory does.
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap();
    }
    let reply = server.kubectl("get pods", &view).json();
    assert_eq!(reply["success"], true, "{reply}");
    server.keeps_waiting(1);
    eventually("nothing else is left", || server.workspaces().is_empty());
    assert!(server.stop().success());
}

#[test]
fn how_many_wait_and_how_long_is_the_operators_to_say() {
    let (_none, without) = server("[warm]\nkubectl = 0\n", None);
    let (_idle, idle) = server(
        "[warm]\nkubectl = 3\nmemory = \"64MiB\"\nidle = \"3s\"\n",
        None,
    );
    let view = base64_of(&cluster().view);
    let ask = |server: &Server, command: &str| {
        assert_eq!(server.kubectl(command, &view).json()["success"], true)
    };
    ask(&without, "get pods");
    // Where nothing else has a processor for longer than that, nobody has asked by the time that
    // the second one waits.
    eventually("as many as there is memory for", || {
        if idle.waiting().is_empty() {
            ask(&idle, "get pods");
        }
        idle.waiting().len() == 2
    });
    assert!(without.waiting().is_empty());
    eventually("nobody asks any more", || idle.waiting().is_empty());
    for command in ["get pods", "get pods", "version --client"] {
        ask(&idle, command);
    }
    eventually("what is asked for waits", || !idle.waiting().is_empty());
    assert!(without.stop().success() && idle.stop().success());
}

#[test]
fn upstreams_own_build_runs_without_waiting() {
    let stock = tools().join("kubectl-stock");
    let (_folder, server) = server(
        &format!("[tools.kubectl]\npath = \"{}\"\n", stock.display()),
        None,
    );
    let view = base64_of(&cluster().view);
    for _ in 0..3 {
        assert_eq!(server.kubectl("get pods", &view).json()["success"], true);
    }
    eventually("it is told", || {
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("does not wait for a request")
    });
    eventually("nothing waits", || {
        server.waiting().is_empty() && server.children().is_empty()
    });
    assert_eq!(warm(&server), [false; 3]);
    assert!(server.stop().success());
}
