//! The operator's own socket.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    harness::{Server, eventually, is_root, program},
    settings::{Settings, hanging_call, records, silent_server, token},
};

fn airlock(arguments: &[&str], socket: &str) -> Output {
    Command::new(program())
        .args(arguments)
        .args(["--socket", socket])
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A stream of an MCP session, once it is open.
fn stream_of(server: &Server, token: &str) -> TcpStream {
    let bearer = format!("Bearer {token}");
    let hello = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let json = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let hello = server.send("POST", "/mcp", &json, hello);
    let head = hello.head.to_ascii_lowercase();
    let mut lines = head.lines();
    let session = lines.find_map(|line| line.strip_prefix("mcp-session-id: "));
    let own = [
        ("Authorization", bearer.as_str()),
        ("Accept", "text/event-stream"),
        ("Mcp-Session-Id", session.expect("a session")),
    ];
    let mut stream = server.open("GET", "/mcp", &own, b"");
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

#[test]
fn an_operator_sees_and_ends_any_call_and_locks_a_principal() {
    let (of_web, web) = token("web");
    let (of_other, other) = token("other");
    let settings = Settings::of(&format!(
        "{web}\n{other}\n[operator]\nsocket = \"operator.sock\"\n"
    ));
    let server = settings.serve(&[]);
    let socket = settings.folder.path().join("operator.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let socket = socket.to_str().unwrap();
    let kubeconfig = silent_server();
    let calls = || -> Vec<Value> {
        let listed = airlock(&["calls", "list", "--json"], socket);
        let answer: Value = serde_json::from_slice(&listed.stdout).unwrap();
        answer["calls"].as_array().unwrap().clone()
    };
    assert_eq!(calls(), [Value::Null; 0]);
    let mut first = hanging_call(&server, Some(&of_web), &kubeconfig);
    let mut second = hanging_call(&server, Some(&of_other), &kubeconfig);
    eventually("both run", || {
        calls()
            .iter()
            .filter(|call| call["state"] == "running")
            .count()
            == 2
    });
    let id = |principal: &str| {
        let calls = calls();
        let of = calls.iter().find(|call| call["principal"] == principal);
        of.unwrap()["request_id"].as_str().unwrap().to_owned()
    };
    // Any call, whoever's.
    let ended = airlock(&["calls", "end", &id("other")], socket);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("ended_by_operator"),
        "{answer}"
    );
    // A principal, with what it runs, what it sends, and what it listens to.
    let mut stream = stream_of(&server, &of_web);
    let locked = airlock(&["lock", "web", "--reason", "stolen token"], socket);
    assert!(
        locked.status.success() && text(&locked.stdout).contains("web is locked"),
        "{} {}",
        text(&locked.stdout),
        text(&locked.stderr)
    );
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    answer.clear();
    first.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("principal_locked"),
        "{answer}"
    );
    let mut refused = String::new();
    hanging_call(&server, Some(&of_web), &kubeconfig)
        .read_to_string(&mut refused)
        .unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 403")
            && refused.contains("principal_locked")
            && !refused.contains("stolen"),
        "{refused}"
    );
    let listed = text(&airlock(&["lock", "--list"], socket).stdout);
    assert!(
        listed.contains("web") && listed.contains("stolen token"),
        "{listed}"
    );
    assert!(airlock(&["unlock", "web"], socket).status.success());
    let bearer = format!("Bearer {of_web}");
    let again = server.send("GET", "/calls", &[("Authorization", &bearer)], b"");
    assert_eq!(again.status, 200);
    // All of it is recorded, with who did it.
    let done: Vec<Value> = records(&server, "operator");
    let actions: Vec<&str> = done
        .iter()
        .filter_map(|done| done["action"].as_str())
        .collect();
    assert_eq!(actions, ["end", "lock", "unlock"]);
    assert!(
        done[1]["reason"] == "stolen token" && done[1]["uid"].is_u64(),
        "{}",
        done[1]
    );
    let logins = records(&server, "login");
    assert!(
        logins
            .iter()
            .any(|login| login["principal"] == "web" && login["code"] == "principal_locked"),
        "{logins:?}"
    );
}

#[test]
fn the_operators_socket_says_what_is_wrong_and_takes_nobody_else() {
    let settings = Settings::of("[operator]\nsocket = \"operator.sock\"\n");
    let server = settings.serve(&[]);
    let path = settings.folder.path().join("operator.sock");
    let socket = path.to_str().unwrap();
    let told = |arguments: &[&str]| {
        let output = airlock(arguments, socket);
        assert!(!output.status.success());
        text(&output.stderr)
    };
    assert!(told(&["lock", "anonymus"]).contains("did you mean \"anonymous\"?"));
    assert!(told(&["unlock", "anonymous"]).contains("is not locked"));
    assert!(told(&["calls", "end", "nothing"]).contains("no call of that id"));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"{\"do\":\"everything\"}\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("this is no request"), "{answer}");
    // A server is there: another one does not take its socket away.
    let second = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(settings.path())
        .output()
        .unwrap();
    assert!(
        !second.status.success() && text(&second.stderr).contains("another server has"),
        "{}",
        text(&second.stderr)
    );
    if is_root() {
        // The mode stops another user, and the kernel's word would.
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let mut other = Command::new("setpriv");
        other
            .args(["--reuid=12345", "--regid=12345", "--clear-groups"])
            .arg(program())
            .args(["calls", "list", "--socket", socket]);
        let output = other.output().unwrap();
        assert!(
            text(&output.stderr).contains("only root and the server's own user"),
            "{}",
            text(&output.stderr)
        );
    }
    drop(server);
    let gone = told(&["calls", "list"]);
    assert!(
        gone.contains("does not answer") && gone.contains("[operator] socket"),
        "{gone}"
    );
    // What a killed server left is no other server's.
    let server = settings.serve(&[]);
    assert!(airlock(&["calls", "list"], socket).status.success());
    drop(server);
}
