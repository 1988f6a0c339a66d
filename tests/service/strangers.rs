//! What others on the host, or a server that was taken over, leave for the next start.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::harness::{Server, eventually, is_root, memory, probe, program};

const RULES: &str = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"version\"]\nflags = [\"--client\"]\n";

fn mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_start_as_root_follows_and_waits_for_nothing_that_its_user_left() {
    assert!(is_root(), "this test starts a server as root");
    let base = tempfile::Builder::new()
        .prefix("airlock-test-")
        .tempdir_in(memory())
        .unwrap();
    mode(base.path(), 0o1777);
    let victim = tempfile::tempdir().unwrap();
    mode(victim.path(), 0o755);
    fs::write(victim.path().join("kept"), "x").unwrap();
    fs::write(victim.path().join("lock"), "x").unwrap();
    let left = |name: &str| {
        let folder = base.path().join(format!("kube-airlock.{name}"));
        fs::create_dir(&folder).unwrap();
        folder
    };
    // A lock that is a FIFO: to open it one would wait for its writer.
    let fifo = left("fifo");
    nix::unistd::mkfifo(&fifo.join("lock"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    // A lock that is free, and a way out of the folder beside it.
    let link = left("link");
    fs::write(link.join("lock"), "").unwrap();
    symlink(victim.path(), link.join("r-1")).unwrap();
    // A link in the place of the folder itself.
    symlink(victim.path(), base.path().join("kube-airlock.itself")).unwrap();
    for path in [&fifo, &fifo.join("lock"), &link, &link.join("lock")] {
        chown(path, Some(65532), Some(65532)).unwrap();
    }
    let began = Instant::now();
    let server = Server::with_capabilities_in(
        base,
        "+setuid,+setgid,+setpcap,+kill,+chown",
        &["--tools-dir", probe().to_str().unwrap()],
    );
    assert!(began.elapsed() < Duration::from_secs(20), "it waited");
    assert!(!link.exists(), "what nobody holds is swept");
    assert!(fifo.exists());
    let metadata = fs::metadata(victim.path()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
    assert!(victim.path().join("kept").exists());
    drop(server);
}

/// What a start says that fails.
fn refused(flags: &[&str]) -> String {
    let mut server = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(flags)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while server.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(20) {
            server.kill().unwrap();
            panic!("it started");
        }
        thread::sleep(Duration::from_millis(10));
    }
    String::from_utf8(server.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn rules_that_everybody_may_change_stop_a_start() {
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    let path = |name: &str| folder.path().join(name);
    fs::write(path("policy.toml"), RULES).unwrap();
    fs::write(path("airlock.toml"), "").unwrap();
    fs::write(
        path("clusters.toml"),
        "[clusters.prod]\nkubeconfig = \"prod.yaml\"\n",
    )
    .unwrap();
    fs::write(path("prod.yaml"), "apiVersion: v1\nkind: Config\n").unwrap();
    for (flag, name, of, bits, fix) in [
        ("--policy", "policy.toml", "policy.toml", 0o646, "chmod o-w"),
        (
            "--config",
            "airlock.toml",
            "airlock.toml",
            0o666,
            "chmod o-w",
        ),
        ("--config", "clusters.toml", "prod.yaml", 0o644, "chmod o-r"),
        ("--policy", "policy.toml", "", 0o777, "chmod o-w"),
    ] {
        let changed = path(of);
        mode(&changed, bits);
        let told = refused(&[flag, path(name).to_str().unwrap()]);
        let fix = format!("{fix} {}", changed.display());
        let fix = fix.trim_end_matches('/');
        assert!(told.contains(fix), "{fix}: {told}");
        mode(&changed, if of.is_empty() { 0o755 } else { 0o600 });
    }
}

#[test]
fn a_changed_policy_that_everybody_may_change_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    let file = folder.path().join("policy.toml");
    fs::write(&file, RULES).unwrap();
    mode(&file, 0o644);
    let server = Server::with_policy(&file);
    let allowed = |command: &str| server.kubectl(command, "").status == 200;
    assert!(allowed("version --client"));
    fs::write(
        &file,
        RULES
            .replace("version", "options")
            .replace("flags = [\"--client\"]\n", ""),
    )
    .unwrap();
    mode(&file, 0o666);
    eventually("it is told", || {
        let log = fs::read_to_string(&server.log).unwrap();
        log.contains("chmod o-w") && log.contains("stay in force")
    });
    assert!(allowed("version --client"), "the rules loaded before hold");
    mode(&file, 0o644);
    eventually("once it is nobody else's, it is taken", || {
        !allowed("version --client")
    });
}
