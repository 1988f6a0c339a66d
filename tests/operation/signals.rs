//! SIGHUP and SIGUSR1 look at all files again, and never end the server; SIGTERM drains.

use std::{
    fs,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{descendants, eventually, program},
    settings::{Settings, hanging_call, log, metric, records, silent_server, token},
};

const POLICY: &str = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"version\"]\nflags = [\"--client\"]\n";

fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_hangup_looks_at_all_files_says_what_changed_and_ends_nothing() {
    let (_, web) = token("web");
    let (_, other) = token("other");
    let settings = Settings::of(&format!("policy = [\"policy.toml\"]\n{web}"));
    let policy = settings.folder.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let mut server = settings.serve(&["--policy", policy.to_str().unwrap()]);
    let looks = || log(&server).matches("looked at all files again").count();
    send("HUP", server.pid());
    eventually("it looks", || looks() == 1);
    let quiet = log(&server);
    assert!(
        quiet.contains(r#"signal="SIGHUP" policy="unchanged" clusters="no files" callers="unchanged" needs_restart="nothing""#),
        "{quiet}"
    );
    // A caller came, a rate is another one, and the policy is broken.
    settings.write(&format!(
        "policy = [\"policy.toml\"]\n{web}\n{other}\n[limits]\nrate = 7\n"
    ));
    fs::write(&policy, "schema = 1\n[[rule]]\n").unwrap();
    send("USR1", server.pid());
    eventually("it looks", || looks() == 2);
    let told = log(&server);
    let last = told
        .lines()
        .rfind(|line| line.contains("looked at all files"))
        .unwrap();
    assert!(
        last.contains(r#"signal="SIGUSR1" policy="refused""#)
            && last.contains(r#"needs_restart="limits.rate""#),
        "{last}"
    );
    assert!(told.contains(r#"added=["other"]"#), "{told}");
    assert!(
        told.contains("a restart is needed for changed settings") && !told.contains("rate = 7"),
        "{told}"
    );
    assert_eq!(
        metric(&server, r#"airlock_reload_successful{of="policy"}"#),
        Some(0.0)
    );
    assert_eq!(
        metric(&server, "airlock_settings_awaiting_restart"),
        Some(1.0)
    );
    // Asked again, the problem that there still is is told again.
    let problems = || log(&server).matches("stay in force").count();
    let before = problems();
    send("HUP", server.pid());
    eventually("it is told again", || looks() == 3 && problems() > before);
    // A whole unit is sent the signal: the spawner as well.
    for spawner in descendants(server.pid()) {
        send("HUP", spawner);
        send("USR1", spawner);
    }
    thread::sleep(Duration::from_millis(300));
    assert!(server.child.try_wait().unwrap().is_none());
    assert_eq!(server.get("/ready").status, 200);
    assert_eq!(records(&server, "callers")[0]["added"][0], "other");
}

#[test]
fn a_hangup_in_the_first_instant_ends_nothing() {
    let settings = Settings::of("");
    for delay in [0, 5, 20, 60] {
        let mut child = Command::new(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(settings.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Before its first line nothing can hold a signal back; from then on it is held or taken.
        eventually("it holds the signal back", || minds_hangups(child.id()));
        thread::sleep(Duration::from_millis(delay));
        send("HUP", child.id());
        thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "after {delay} ms");
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

/// Whether a process blocks SIGHUP or has a handler of it (proc_pid_status(5)).
fn minds_hangups(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let (blocked, caught) = (mask("SigBlk:"), mask("SigCgt:"));
    (blocked.unwrap_or(0) | caught.unwrap_or(0)) & 1 == 1
}

#[test]
fn the_time_that_calls_have_at_a_stop_is_a_setting() {
    let settings = Settings::of("[limits]\ndrain = \"1s\"\n");
    let mut server = settings.serve(&[]);
    let mut call = hanging_call(&server, None, &silent_server());
    eventually("it runs", || server.children().len() == 1);
    let asked = Instant::now();
    send("TERM", server.pid());
    let mut answer = String::new();
    call.read_to_string(&mut answer).unwrap();
    let took = asked.elapsed();
    assert!(answer.contains("cancelled"), "{answer}");
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(6)).contains(&took),
        "{took:?}"
    );
    assert!(server.child.wait().unwrap().success());
}
