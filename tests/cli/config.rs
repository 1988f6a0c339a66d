//! Does `config check` say all that a start would, and what the server's user cannot do?

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use serde_json::{Value, json};

use crate::{airlock, text};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A folder that every user may enter.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://a.example'}}]\nusers: [{name: u, user: {token: t}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";

#[test]
fn config_check_says_what_a_server_would_serve() {
    let folder = folder();
    // As it has to be: for the server's user alone.
    let staging = write(folder.path(), "staging", KUBECONFIG);
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o600)).unwrap();
    if nix::unistd::geteuid().is_root() {
        chown(&staging, Some(65532), Some(65532)).unwrap();
    }
    let file = write(
        folder.path(),
        "airlock.toml",
        "policy = [\"builtin:standard\"]\n[clusters.staging]\nkubeconfig = \"staging\"\n\
         [[caller]]\nprincipal = \"old\"\nexpires = \"2020-01-01T00:00:00Z\"\n\
         token_sha256 = \"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"\n",
    );
    let output = airlock(&["config", "check", &file], "");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains(
            "warning: the token of `old` has expired: `kube-airlock token new old` makes another\n"
        ) && told.contains(": ok for a server that is user ")
            && told.ends_with(
                "  listens on 127.0.0.1:9096; 1 callers, 1 named clusters, policy standard.toml\n"
            ),
        "{told}"
    );
}

#[test]
fn config_check_says_every_mistake_at_once() {
    let folder = folder();
    write(folder.path(), "broken", "not: a kubeconfig\n");
    let policy = write(folder.path(), "p.toml", "schema = 2\n");
    let settings = format!(
        "policy = [\"{policy}\"]\n[limits]\ntimeout = \"0s\"\n[egress]\nallow = [\"localhost\"]\n[audit]\nkeep = 0\n\
         [[caller]]\nprincipal = \"a\"\ntoken_sha256 = \"x\"\n[[caller]]\nprincipal = \"b\"\ntoken_sha256 = \"y\"\n"
    );
    let file = write(folder.path(), "airlock.toml", &settings);
    let messages = |output: &std::process::Output| -> Vec<String> {
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let errors = found["errors"].as_array().unwrap().iter();
        errors
            .map(|error| {
                let place = &error["findings"][0];
                let code = error["code"].as_str().unwrap();
                let message = error["message"].as_str().unwrap();
                let key = message.rsplit(": ").next().unwrap().lines().next().unwrap();
                format!("{code} {} {}", place["line"], &key[..20.min(key.len())])
            })
            .collect()
    };
    let output = airlock(&["config", "check", "--json", &file], "");
    let found = messages(&output);
    let lines: Vec<&str> = found
        .iter()
        .map(|one| one.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["5", "3", "10", "13", "7"], "{found:?}");
    assert_eq!(output.status.code(), Some(1));
    // The start says the same.
    let start = airlock(&["serve", "--config", &file], "");
    let told = text(&start.stderr);
    assert_eq!(told.matches("settings_invalid").count(), 5, "{told}");

    // And of what settings name, when they are right themselves.
    let settings = format!(
        "policy = [\"{policy}\"]\n[clusters.one]\nkubeconfig = \"broken\"\n[clusters.two]\nkubeconfig = \"missing\"\n\
         [audit]\nkey_file = \"nokey\"\n"
    );
    let file = write(folder.path(), "airlock.toml", &settings);
    let output = airlock(&["config", "check", &file], "");
    let told = text(&output.stdout);
    for wrong in [
        "this server reads policy files of schema 1",
        "the kubeconfig of the cluster `one`",
        "the kubeconfig of the cluster `two` cannot be read",
        "nokey cannot be read",
        "airlock.toml: 4 mistakes",
    ] {
        assert!(told.contains(wrong), "{wrong}\n{told}");
    }
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn config_check_looks_as_the_user_that_the_server_becomes() {
    let folder = folder();
    let policy = write(folder.path(), "p.toml", "schema = 1\n");
    let kubeconfig = write(folder.path(), "prod", KUBECONFIG);
    let records = folder.path().join("records");
    fs::create_dir(&records).unwrap();
    let settings = format!(
        "policy = [\"{policy}\"]\n[clusters.prod]\nkubeconfig = \"prod\"\n[audit]\npath = \"records/audit.jsonl\"\n"
    );
    let file = write(folder.path(), "airlock.toml", &settings);
    let private = |path: &str| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    for path in [&policy, &kubeconfig, &file] {
        private(path);
    }
    let check =
        |more: &[&str]| airlock(&[&["config", "check", &file, "--json"], more].concat(), "");
    if !nix::unistd::geteuid().is_root() {
        let output = check(&["--as-user", "1"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["error"]["code"], json!("not_permitted"));
        return;
    }
    let output = check(&[]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["ok"], &found["user"]),
        (&json!(false), &json!(65532))
    );
    let said = found["errors"].to_string();
    for path in [&file, &policy] {
        assert!(
            said.contains(&format!("cannot read {path}")),
            "{path}: {said}"
        );
    }
    assert!(
        said.contains("the kubeconfig of the cluster `prod` cannot be read"),
        "{said}"
    );
    assert!(said.contains("cannot make files in"), "{said}");
    // Its group may read what is root's, and it owns what it writes; a name is as good as a number.
    for path in [&policy, &file] {
        chown(path, Some(0), Some(65532)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    for path in [Path::new(&kubeconfig), &records] {
        chown(path, Some(65532), Some(65532)).unwrap();
    }
    let output = check(&["--as-user", "65532"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let nobody: Value = serde_json::from_slice(&check(&["--as-user", "nobody"]).stdout).unwrap();
    assert_eq!(nobody["ok"], json!(false));
    let unknown: Value = serde_json::from_slice(&check(&["--as-user", "no-such"]).stdout).unwrap();
    assert_eq!(unknown["error"]["code"], json!("unknown_name"));
}
