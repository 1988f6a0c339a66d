//! Does anything that a server says or leaves hold a secret that went through it?
//!
//! Everything is kept that a full run produced: every answer, the log at its finest level, the
//! audit records, the metrics, and the files that an aborted server left. Nothing of it may hold a
//! credential, as it is or in base64, wherever in a longer text it was encoded.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{
    harness::{
        Reply, Server, base64_of, cluster, descendants, eventually, only_the_servers, program,
        tools,
    },
    headers::over_http2,
};

/// Credentials that no server accepts.
const TOKEN: &str = "canary-token-7c1f0a9d3eb2";
const PASSWORD: &str = "canary-password-5b8e2f66d0";
/// In files that are refused.
const REFUSED: &str = "canary-refused-91ad4427cc";
/// In files of a named cluster that do not load any more.
const MOUNTED: &str = "canary-mounted-e07b35d1a8";

#[test]
fn nothing_that_a_run_leaves_holds_a_secret() {
    let folder = settings();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tools, allowed, config) = (tools(), cluster().server.to_string(), path("airlock.toml"));
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &allowed,
        "--config",
        &config,
    ];
    let mut server = Server::with_log("trace", &flags);
    let mut run = Run { told: Vec::new() };

    accepted(&server, &mut run);
    for text in refused_kubeconfigs() {
        let reply = server.kubectl("get pods", &BASE64_STANDARD.encode(&text));
        assert!(
            matches!(reply.status, 403 | 422),
            "{}: {}",
            reply.status,
            &text[..text.len().min(400)]
        );
        run.keep(reply);
    }
    let (status, answer) = over_http2(
        &server,
        &BASE64_STANDARD.encode(refused_kubeconfigs().swap_remove(0)),
    );
    assert_eq!(status, 422);
    run.told.push(answer.to_string().into_bytes());
    malformed(&server, &mut run);
    over_mcp(&server, &mut run);
    over_stdio(&config, &mut run);
    mounted(&server, folder.path(), &mut run);
    unstartable(folder.path(), &config, &mut run);
    for path in ["/metrics", "/tools/status", "/clusters", "/openapi.json"] {
        run.keep(server.get(path));
    }

    // It ends as a crash would, while a command runs. Where a plain process leaves its memory, this
    // one does not.
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let running = server.open(
        "POST",
        "/tools/kubectl",
        &headers,
        br#"{"command":"wait --for=delete pod/web-0 --timeout=20s"}"#,
    );
    eventually("a command runs", || server.children().len() == 1);
    let spawner = descendants(server.pid());
    abort(server.pid());
    let status = server.child.wait().unwrap();
    assert!(
        status.signal().is_some() && !status.core_dumped(),
        "{status}"
    );
    let control = plain_process_is_dumped();
    println!("a plain process is dumped here: {control}");
    drop(running);
    eventually("the spawner is gone", || {
        spawner
            .iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
    keep_files(server.work.path(), &mut run);
    keep_files(&server.log, &mut run);
    keep_files(&server.audit, &mut run);

    assert!(
        server.records().len() > 30,
        "the records are those of this run"
    );
    assert!(
        fs::read_to_string(&server.log).unwrap().contains("TRACE"),
        "the log is at its finest"
    );
    let found = run.found(&secrets());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What may be found nowhere, and what it is.
fn secrets() -> Vec<(&'static str, String)> {
    let [view, admin] =
        [&cluster().view, &cluster().admin].map(|path| fs::read_to_string(path).unwrap());
    let key_data = value(&admin, "client-key-data:");
    let pem = String::from_utf8(BASE64_STANDARD.decode(&key_data).unwrap()).unwrap();
    vec![
        ("the token of the named cluster", value(&view, "token:")),
        (
            "the client key, as kubeconfigs have it",
            key_data[80..160].to_owned(),
        ),
        ("the client key", pem.lines().nth(1).unwrap().to_owned()),
        ("the caller's token", TOKEN.to_owned()),
        ("the caller's password", PASSWORD.to_owned()),
        ("a credential in a refused file", REFUSED.to_owned()),
        (
            "a credential in a file of a named cluster",
            MOUNTED.to_owned(),
        ),
    ]
}

/// A folder with settings that accept passwords, and name a cluster with a token and one with
/// files.
fn settings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap()
    };
    open(folder.path(), 0o755);
    fs::copy(&cluster().view, folder.path().join("demo.yaml")).unwrap();
    open(&folder.path().join("demo.yaml"), 0o644);
    let [view, admin] =
        [&cluster().view, &cluster().admin].map(|path| fs::read_to_string(path).unwrap());
    let data = |key: &str| BASE64_STANDARD.decode(value(&admin, key)).unwrap();
    fs::write(
        folder.path().join("ca.crt"),
        data("certificate-authority-data:"),
    )
    .unwrap();
    fs::write(
        folder.path().join("tls.crt"),
        data("client-certificate-data:"),
    )
    .unwrap();
    fs::write(folder.path().join("tls.key"), data("client-key-data:")).unwrap();
    fs::write(folder.path().join("token"), value(&view, "token:")).unwrap();
    fs::write(folder.path().join("files.yaml"), files_of_an_operator("")).unwrap();
    // No preset opens a cluster that has the operator's credential.
    let policy = folder.path().join("policy.toml");
    let opens = "schema = 1\nopen_clusters = [\"*\"]\ninclude = [\"builtin:read-only\"]\n";
    fs::write(&policy, opens).unwrap();
    let text = format!(
        "policy = [{policy:?}]\n[kubeconfig]\nallow_passwords = true\n[clusters.demo]\nkubeconfig = \"demo.yaml\"\n[clusters.files]\nkubeconfig = \"files.yaml\"\n[egress]\nallow = [\"{}\"]\n",
        cluster().server
    );
    fs::write(folder.path().join("airlock.toml"), text).unwrap();
    for name in ["demo.yaml", "files.yaml", "tls.crt", "tls.key", "token"] {
        only_the_servers(&folder.path().join(name));
    }
    folder
}

/// A kubeconfig for the demo cluster whose authority, client certificate, key and token are in
/// files beside it.
fn files_of_an_operator(keys: &str) -> String {
    let server = format!("https://{}", cluster().server);
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: '{server}', certificate-authority: ca.crt}}\nusers:\n- name: u\n  user: {{client-certificate: tls.crt, client-key: tls.key, tokenFile: token{keys}}}\ncontexts:\n- name: x\n  context: {{cluster: c, user: u}}\ncurrent-context: x\n"
    )
}

/// The value that stands behind `key` on its line.
fn value(text: &str, key: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(key))
        .unwrap();
    line.trim().trim_matches('"').to_owned()
}

struct Run {
    told: Vec<Vec<u8>>,
}

impl Run {
    fn keep(&mut self, reply: Reply) {
        self.told.push(reply.head.into_bytes());
        self.told.push(reply.body);
    }

    /// Where each secret was found, without it.
    fn found(&self, secrets: &[(&'static str, String)]) -> Vec<String> {
        let mut found = Vec::new();
        for (what, secret) in secrets {
            for spelling in spellings(secret) {
                for told in &self.told {
                    if let Some(at) = told
                        .windows(spelling.len())
                        .position(|window| window == spelling.as_bytes())
                    {
                        let before =
                            String::from_utf8_lossy(&told[at.saturating_sub(200)..at]).into_owned();
                        found.push(format!("{what} stands behind: {before}"));
                    }
                }
            }
        }
        found
    }
}

/// A text as it is, and what is always the same of its base64, whatever it was encoded with.
fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![secret.to_owned()];
    for shift in 0..3 {
        let text = "x".repeat(shift) + secret;
        let whole_groups = text.len() / 3 * 3;
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&text[..whole_groups]);
            spellings.push(encoded[if shift == 0 { 0 } else { 4 }..].to_owned());
        }
    }
    spellings
}

#[test]
fn a_work_directory_that_is_no_memory_is_told() {
    for base in [Path::new("/dev/shm").to_owned(), env::temp_dir()] {
        let on_disk = !nix::sys::statfs::statfs(&base)
            .is_ok_and(|status| status.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC);
        let work = tempfile::Builder::new()
            .prefix("airlock-test-")
            .tempdir_in(&base)
            .unwrap();
        fs::set_permissions(
            work.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o1777),
        )
        .unwrap();
        let server = Server::starting_in(work, &["--tools-dir", tools().to_str().unwrap()], None);
        let told = fs::read_to_string(&server.log)
            .unwrap()
            .contains("kubeconfigs are written to a disk");
        assert_eq!(told, on_disk, "{}", base.display());
    }
}

#[test]
fn a_secret_is_found_in_base64_wherever_it_was_encoded() {
    for before in ["", "a", "ab", "abc"] {
        let told = BASE64_STANDARD.encode(format!("{before}token: {TOKEN}\n"));
        let run = Run {
            told: vec![told.into_bytes()],
        };
        assert!(
            !run.found(&[("the token", TOKEN.to_owned())]).is_empty(),
            "behind {before:?}"
        );
    }
}

/// A kubeconfig for the demo cluster with this user.
fn own(user: Value) -> String {
    let admin = fs::read_to_string(&cluster().admin).unwrap();
    let authority = admin
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority-data:"))
        .unwrap()
        .trim();
    let file = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "c", "cluster": { "server": format!("https://{}", cluster().server), "certificate-authority-data": authority } }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
    });
    BASE64_STANDARD.encode(file.to_string())
}

/// Every kind of credential on its way to the cluster, and commands that fail, are denied, or run
/// too long.
fn accepted(server: &Server, run: &mut Run) {
    let (admin, view) = (base64_of(&cluster().admin), base64_of(&cluster().view));
    let (token, password) = (
        own(json!({ "token": TOKEN })),
        own(json!({ "username": "jane", "password": PASSWORD })),
    );
    for (command, kubeconfig, status) in [
        ("get pods -A -o yaml", &admin, 200),
        ("get pods", &view, 200),
        ("get pods", &token, 200),
        ("get pods", &password, 200),
        ("get pod no-such-pod", &admin, 200),
        ("delete pod web-0", &admin, 403),
        ("get pods | sh", &admin, 422),
        ("gett pods", &token, 422),
        ("get --help", &admin, 200),
    ] {
        let reply = server.kubectl(command, kubeconfig);
        assert_eq!(reply.status, status, "{command}: {}", reply.json());
        run.keep(reply);
    }
    let refused = server.kubectl("get pods", &token);
    assert!(
        refused.text("error").contains("Unauthorized")
            || refused.text("error").contains("logged in"),
        "{}",
        refused.json()
    );
    let json = ("Content-Type", "application/json");
    let call = |body: Value, headers: &[(&str, &str)]| {
        server.send(
            "POST",
            "/tools/kubectl",
            headers,
            body.to_string().as_bytes(),
        )
    };
    for (body, status) in [
        (json!({ "command": "get pods", "cluster": "demo" }), 200),
        (
            json!({ "command": "get pods -o yaml", "cluster": "files" }),
            200,
        ),
        (json!({ "command": "get pods", "cluster": "other" }), 400),
        (
            json!({ "command": "get pods", "cluster": "demo", "kubeconfig": token }),
            400,
        ),
        (
            json!({ "command": "get pods", "kubeconfig": token, "context": "y" }),
            422,
        ),
        (
            json!({ "command": "get pods", "kubeconfig": token, "timeout": "never" }),
            400,
        ),
        (
            json!({ "command": "wait --for=delete pod/web-0 --timeout=9s", "kubeconfig": admin, "timeout": "300ms" }),
            504,
        ),
    ] {
        let reply = call(body, &[json]);
        assert_eq!(reply.status, status, "{}", reply.json());
        run.keep(reply);
    }
    run.keep(call(
        json!({ "command": "get pods", "kubeconfig": token }),
        &[json, ("X-Kubeconfig", &password)],
    ));
    // A caller who leaves.
    let stream = server.open(
        "POST",
        "/tools/kubectl",
        &[json, ("X-Kubeconfig", &admin)],
        br#"{"command":"wait --for=delete pod/web-0 --timeout=20s"}"#,
    );
    eventually("it runs", || server.children().len() == 1);
    drop(stream);
    eventually("it was ended", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

/// Files that are refused, for each reason that there is, the secret in the midst of it.
fn refused_kubeconfigs() -> Vec<String> {
    let plain = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://k8s.example.com:6443\nusers:\n- name: u\n  user:\n    token: SECRET\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n";
    let admin = fs::read_to_string(&cluster().admin).unwrap();
    let certificate = admin
        .lines()
        .find(|line| line.contains("client-certificate-data:"))
        .unwrap()
        .trim();
    let other_key = BASE64_STANDARD.encode(rcgen::KeyPair::generate().unwrap().serialize_pem());
    let encoded = BASE64_STANDARD.encode(REFUSED);
    let user = |keys: &str| plain.replace("token: SECRET", keys);
    let cluster = |keys: &str| plain.replace("server: https://k8s.example.com:6443", keys);
    let mut files: Vec<String> = [
        "token: 'SECRET and more'",
        "token: SECRET\n    token: SECRET",
        "token: &SECRET SECRET",
        "token: !SECRET SECRET",
        "token: [SECRET]",
        "token: {a: SECRET}",
        "token: \"SECRET",
        "token: \"SECRET\\N\"",
        "token: SECRET\n    password: SECRET",
        "username: ''\n    password: SECRET",
        "username: jane\n    password: \"SECRET\\n\"",
        "username: jane\n    password: SECRET\n    token: SECRET",
        "exec: {command: SECRET, env: [{name: TOKEN, value: SECRET}]}",
        "auth-provider: {name: oidc, config: {refresh-token: SECRET}}",
        "tokenFile: /run/SECRET",
        "client-key-data: SECRET",
        "as: SECRET",
        "secret: SECRET",
        "token: ''\n    extensions: [SECRET]",
    ]
    .map(&user)
    .to_vec();
    files.push(user(&format!(
        "client-certificate-data: {encoded}\n    client-key-data: {encoded}"
    )));
    files.push(user(&format!(
        "{certificate}\n    client-key-data: {encoded}"
    )));
    files.push(user(&format!(
        "{certificate}\n    client-key-data: {other_key}\n    token: SECRET"
    )));
    files.extend(
        [
            "server: https://jane:SECRET@k8s.example.com",
            "server: https://k8s.example.com/?token=SECRET",
            "server: http://k8s.example.com",
            "server: https://169.254.169.254",
            "server: https://k8s.example.com\n    proxy-url: http://jane:SECRET@proxy.example.com",
            "server: https://k8s.example.com\n    certificate-authority-data: SECRET",
        ]
        .map(cluster),
    );
    files.push(plain.replace("current-context: x", "current-context: y"));
    files.push(plain.replace("user: u}", "user: u, namespace: SECRET_}"));
    files.push(format!("{plain}---\ntoken: SECRET\n"));
    files.push(format!("%SECRET\n---\n{plain}"));
    files.push(format!("{plain}token: SECRET\u{7}\n"));
    files.push(format!("{plain}#{}", "SECRET".repeat(12_000)));
    files.push("SECRET".into());
    files
        .into_iter()
        .map(|file| file.replace("SECRET", REFUSED))
        .collect()
}

/// A named cluster, one of whose files does not load any more: the log tells which, and what was
/// loaded serves on.
fn mounted(server: &Server, folder: &Path, run: &mut Run) {
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(MOUNTED)
    );
    for (file, content, told) in [
        (
            "token",
            format!("{MOUNTED} and more"),
            "has characters that bearer tokens do not have",
        ),
        ("tls.key", pem, "client-key-data"),
        ("tls.crt", format!("{MOUNTED}\n"), "client-certificate-data"),
        (
            "files.yaml",
            files_of_an_operator(&format!(", secret: {MOUNTED}")),
            "users[].user.secret",
        ),
        (
            "files.yaml",
            files_of_an_operator(&format!(", {MOUNTED}: x\ny: \"")),
            "is not valid YAML",
        ),
        (
            "files.yaml",
            files_of_an_operator(&format!(", token: '{MOUNTED}', token: x")),
            "`token` twice",
        ),
    ] {
        let before = fs::read(folder.join(file)).unwrap();
        fs::write(folder.join(file), content).unwrap();
        let logged = || fs::read_to_string(&server.log).unwrap();
        eventually(told, || {
            logged()
                .lines()
                .any(|line| line.contains("a named cluster does not load") && line.contains(told))
        });
        let body = json!({ "command": "get pods", "cluster": "files" }).to_string();
        let reply = server.send(
            "POST",
            "/tools/kubectl",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(reply.status, 200, "{}", reply.json());
        run.keep(reply);
        run.keep(server.get("/metrics"));
        fs::write(folder.join(file), before).unwrap();
    }
}

/// A server that does not start for the sake of a named cluster says why.
fn unstartable(folder: &Path, config: &str, run: &mut Run) {
    let before = fs::read(folder.join("token")).unwrap();
    fs::write(folder.join("token"), format!("{MOUNTED} and more")).unwrap();
    let ended = Command::new(program())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--config",
            config,
            "--tools-dir",
        ])
        .arg(tools())
        .env_clear()
        .env("AIRLOCK_LOG", "trace")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned()
        + &String::from_utf8_lossy(&ended.stdout);
    assert!(
        !ended.status.success() && told.contains("has characters that bearer tokens do not have"),
        "{told}"
    );
    run.told.push(told.into_bytes());
    fs::write(folder.join("token"), before).unwrap();
}

/// Requests that are none.
fn malformed(server: &Server, run: &mut Run) {
    let kubeconfig = own(json!({ "token": TOKEN }));
    let json = ("Content-Type", "application/json");
    let large = format!(
        r#"{{"command":"get pods","kubeconfig":"{}"}}"#,
        TOKEN.repeat(150_000)
    );
    let body = |text: &str| text.replace("SECRET", TOKEN).into_bytes();
    for (method, path, headers, body, status) in [
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            body(r#"{"command":1,"kubeconfig":"SECRET"}"#),
            400,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            body(r#"{"command":"get pods","kubeconfig":{"token":"SECRET"}}"#),
            400,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            body(r#"{"command":"get pods","kubeconfig":"SECRET"#),
            400,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            body(r#"{"command":"get pods","kubeconfigs":"SECRET"}"#),
            400,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            body(r#"{"command":"get pods","kubeconfig":"SECRET!"}"#),
            422,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![("Content-Type", "application/yaml")],
            body("token: SECRET"),
            400,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            large.into_bytes(),
            413,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json, ("X-Kubeconfig", TOKEN)],
            body(r#"{"command":"get pods"}"#),
            422,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json, ("X-Kubeconfig", &kubeconfig), ("X-Kubeconfig", TOKEN)],
            body("{}"),
            403,
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![
                json,
                ("X-Kubeconfig", &kubeconfig),
                ("Origin", "http://evil.example"),
            ],
            body("{}"),
            403,
        ),
        (
            "POST",
            "/tools/kustomize",
            vec![json, ("X-Kubeconfig", &kubeconfig)],
            body(r#"{"command":"x"}"#),
            404,
        ),
        (
            "GET",
            "/tools/kubectl",
            vec![("X-Kubeconfig", &kubeconfig)],
            Vec::new(),
            405,
        ),
    ] {
        let reply = server.send(method, path, &headers, &body);
        assert_eq!(
            reply.status,
            status,
            "{}",
            String::from_utf8_lossy(&body[..body.len().min(200)])
        );
        run.keep(reply);
    }
}

fn over_mcp(server: &Server, run: &mut Run) {
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let reply = server.send("POST", "/mcp", &headers[..2], hello.to_string().as_bytes());
    let session = reply
        .head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("mcp-session-id: ")
                .map(str::to_owned)
        })
        .unwrap();
    run.keep(reply);
    let call = |arguments: Value, header: Option<&str>| {
        let mut all = headers.to_vec();
        all.push(("Mcp-Session-Id", &session));
        all.extend(header.map(|header| ("X-Kubeconfig", header)));
        let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "kubectl", "arguments": arguments } });
        server.send("POST", "/mcp", &all, message.to_string().as_bytes())
    };
    let token = own(json!({ "token": TOKEN }));
    for (arguments, header, told) in [
        (
            json!({ "command": "get pods" }),
            Some(base64_of(&cluster().admin)),
            "web-0",
        ),
        (
            json!({ "command": "get pods", "kubeconfig": token }),
            None,
            "isError\":true",
        ),
        (
            json!({ "command": "get pods", "kubeconfig": [TOKEN] }),
            None,
            "isError\":true",
        ),
        (
            json!({ "command": "get pods", "kubeconfigs": TOKEN }),
            None,
            "isError\":true",
        ),
        (
            json!({ "command": "get pods" }),
            Some(TOKEN.to_owned()),
            "invalid_kubeconfig",
        ),
    ] {
        let reply = call(arguments, header.as_deref());
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.contains(told), "{text}");
        run.keep(reply);
    }
}

/// Its log and its records go to standard error.
fn over_stdio(config: &str, run: &mut Run) {
    let mut child = Command::new(program())
        .args(["stdio", "--config", config, "--tools-dir"])
        .arg(tools())
        .env_clear()
        .env("KUBECONFIG", &cluster().admin)
        .env("AIRLOCK_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let errors = child.stderr.take().unwrap();
    let log = thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut BufReader::new(errors), &mut bytes).unwrap();
        bytes
    });
    let mut ask = |message: Value, answered: bool| {
        writeln!(input, "{message}").unwrap();
        let mut line = String::new();
        if answered {
            output.read_line(&mut line).unwrap();
        }
        line
    };
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    run.told.push(ask(hello, true).into_bytes());
    ask(
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        false,
    );
    let mut call = |arguments: Value| {
        ask(
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "kubectl", "arguments": arguments } }),
            true,
        )
    };
    let mut listed = String::new();
    for _ in 0..100 {
        listed = call(json!({ "command": "get pods" }));
        if listed.contains("web-0") {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(listed.contains("web-0"), "{listed}");
    run.told.push(listed.into_bytes());
    run.told
        .push(call(json!({ "command": "delete pod web-0" })).into_bytes());
    run.told
        .push(call(json!({ "command": "get pods", "kubeconfig": TOKEN })).into_bytes());
    drop(input);
    assert!(child.wait().unwrap().success());
    run.told.push(log.join().unwrap());
}

fn abort(pid: u32) {
    assert!(
        Command::new("kill")
            .arg("-ABRT")
            .arg(pid.to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// Whether a process that may dump core does so on this machine.
fn plain_process_is_dumped() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("prlimit")
        .args(["--core=unlimited:unlimited", "sleep", "60"])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    eventually("it sleeps", || {
        fs::read_to_string(format!("/proc/{}/comm", child.id())).is_ok_and(|name| name == "sleep\n")
    });
    abort(child.id());
    child.wait().unwrap().core_dumped()
}

fn keep_files(path: &Path, run: &mut Run) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            keep_files(&entry.unwrap().path(), run);
        }
    } else {
        run.told.push(path.display().to_string().into_bytes());
        run.told.push(fs::read(path).unwrap());
    }
}
