//! Does a server say what `policy check` says of the policy that it takes?

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// A server without tools, and the lines of its log.
struct Server {
    child: Child,
    log: Receiver<String>,
}

impl Server {
    fn with_policy(path: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kube-airlock"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--tools-dir",
                "/nonexistent",
            ])
            .args(["--policy", path])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self { child, log }
    }

    /// Waits for a line with these texts.
    fn says(&self, texts: &[&str]) {
        let mut said = String::new();
        while let Ok(line) = self.log.recv_timeout(Duration::from_secs(60)) {
            if texts.iter().all(|text| line.contains(text)) {
                return;
            }
            said += &format!("{line}\n");
        }
        panic!("{texts:?} is not said:\n{said}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_logs_what_is_hardly_meant_at_start_and_with_each_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("policy.toml");
    let write = |rule: &str| {
        let head = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\n";
        fs::write(&path, format!("{head}{rule}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    write("tool = \"kubectl\"\nverbs = [\"get\"]");
    let server = Server::with_policy(path.to_str().unwrap());
    server.says(&[
        "WARN",
        "policy.toml:3:6",
        "read every resource, Secrets too",
    ]);
    server.says(&["listening"]);
    write("tool = \"helm\"\nverbs = [\"get values\"]");
    server.says(&[
        "WARN",
        "policy.toml:3:6",
        "`helm get values` prints credentials",
    ]);
}
