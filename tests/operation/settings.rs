//! What the tests of this binary begin with: settings in a folder, callers with tokens, a call that
//! hangs.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    thread,
};

use crate::harness::{Server, kubeconfig_of, program, tools};

/// A folder with `airlock.toml` that the server's user may read.
pub struct Settings {
    pub folder: tempfile::TempDir,
}

impl Settings {
    pub fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let settings = Self { folder };
        settings.write(text);
        settings
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("airlock.toml")
    }

    /// Writes the file anew, as an editor does: another file in its place.
    pub fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, PermissionsExt::from_mode(0o644)).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// A server with these settings and the real tools.
    pub fn serve(&self, more: &[&str]) -> Server {
        let (config, tools) = (self.path(), tools());
        let flags = [
            &[
                "--config",
                config.to_str().unwrap(),
                "--tools-dir",
                tools.to_str().unwrap(),
                "--egress-allow",
                "127.0.0.1",
            ],
            more,
        ]
        .concat();
        Server::with(&flags, None)
    }
}

/// A token, and the table of settings that knows it.
pub fn token(name: &str) -> (String, String) {
    let made = Command::new(program())
        .args(["token", "new", name])
        .output()
        .unwrap();
    assert!(made.status.success());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let token = text(made.stderr).lines().last().unwrap().to_owned();
    (token, text(made.stdout))
}

/// An API server that takes connections and never says a word.
pub fn silent_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut held: Vec<TcpStream> = Vec::new();
        held.extend(listener.incoming().flatten());
    });
    kubeconfig_of(&format!("https://{address}"))
}

/// Begins a call that hangs, with a token; its connection.
pub fn hanging_call(server: &Server, token: Option<&str>, kubeconfig: &str) -> TcpStream {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig),
    ];
    headers.extend(
        authorization
            .as_deref()
            .map(|value| ("Authorization", value)),
    );
    server.open(
        "POST",
        "/tools/kubectl",
        &headers,
        br#"{"command":"get pods -n default"}"#,
    )
}

/// The log of a server.
pub fn log(server: &Server) -> String {
    fs::read_to_string(&server.log).unwrap()
}

/// The records of one event.
pub fn records(server: &Server, event: &str) -> Vec<serde_json::Value> {
    let mut records = server.records();
    records.retain(|record| record["event"] == event);
    records
}

/// The value of a line of `/metrics`.
pub fn metric(server: &Server, series: &str) -> Option<f64> {
    let text = String::from_utf8(server.get("/metrics").body).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}
