//! What a request brings for its command to read: over every door, to that child alone, and to
//! nothing else.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    harness::{Server, as_admin, base64_of, cluster, eventually, is_root, readable_folder, tools},
    mcp::{ask, call_tool},
    pipes::looked,
};

/// Lets a caller write manifests. No policy of ours does yet.
const WRITES: &str = r#"
schema = 1
[[rule]]
id = "manifests"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["apply", "create", "delete", "diff", "get", "replace"]
flags = ["@plain", "--watch", "--dry-run"]
values = { "--filename" = ["*"], "--output" = ["*"] }
[[rule.objects]]
resources = ["configmaps"]
[[rule]]
id = "words"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get", "patch"]
flags = ["@plain"]
values = { "--patch-file" = ["*"] }
[[rule]]
id = "little"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["wait"]
max_data = "1KiB"
values = { "--filename" = ["*"] }
flags = ["--for", "--timeout"]
[[rule.objects]]
resources = ["configmaps"]
[[rule]]
id = "values"
effect = "allow"
reason = "for a test"
tool = "helm"
verbs = ["list"]
"#;

/// A server that lets a caller write manifests.
fn server(limits: &str) -> ([tempfile::TempDir; 2], Server) {
    server_that(limits, "off")
}

/// The same with kubectl's API requests judged so.
fn server_that(limits: &str, judging: &str) -> ([tempfile::TempDir; 2], Server) {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, WRITES).unwrap();
    let policy = policy.to_str().unwrap();
    let settings = format!(
        "policy = [{policy:?}]\n[limits]\nrate = 0\n{limits}\n[api]\nkubectl = {judging:?}\n"
    );
    let (settings, server) = Server::with_settings(&settings);
    ([folder, settings], server)
}

fn map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n"
    )
}

fn call(server: &Server, body: &Value) -> (u16, Value) {
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let reply = server.send(
        "POST",
        "/tools/kubectl",
        &headers,
        body.to_string().as_bytes(),
    );
    (reply.status, reply.json())
}

fn has(name: &str, value: &str) -> bool {
    let path = "{.data.key}";
    let printed = Command::new(tools().join("kubectl"))
        .args(["get", "configmap", name, "-o", &format!("jsonpath={path}")])
        .env("KUBECONFIG", &cluster().admin)
        .output()
        .unwrap();
    String::from_utf8(printed.stdout).unwrap() == value
}

#[test]
fn what_a_request_brings_is_read_over_every_door() {
    let (_folder, server) = server("");
    let admin = base64_of(&cluster().admin);
    let [one, two, three, four] = ["brought-1", "brought-2", "brought-3", "brought-4"];
    let document =
        |name: &str, value: &str| format!("kubectl apply -f - <<'EOF'\n{}EOF\n", map(name, value));
    let files = |value: &str| json!({ "one.yaml": map(one, value), "two": map(two, value) });
    let bodies = |value: &str| {
        [
            json!({ "command": "apply -f -", "stdin": map(one, value) }),
            json!({ "command": document(two, value) }),
            json!({ "command": "kubectl apply -f one.yaml --filename=two -f -", "files": files(value), "stdin": map(three, value) }),
            json!({ "command": "apply --filename one.yaml,two -n default", "files": files(value) }),
        ]
    };
    for (at, body) in bodies("rest").into_iter().enumerate() {
        as_admin(
            &["delete", "configmap", "--ignore-not-found", one, two, three],
            "",
        );
        let (status, answer) = call(&server, &body);
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
        let written = [vec![one], vec![two], vec![one, two, three], vec![one, two]];
        for name in &written[at] {
            assert!(has(name, "rest"), "{name} by {body}");
        }
    }
    for body in bodies("mcp") {
        let headers = [("X-Kubeconfig", admin.as_str())];
        let answer = call_tool(&server, "kubectl", &body, &headers);
        assert_eq!(answer["isError"], json!(false), "{answer}");
    }
    assert!(has(one, "mcp") && has(two, "mcp") && has(three, "mcp"));
    let patch = json!({ "command": format!("patch configmap {one} --patch-file=p.json --type=merge"), "files": { "p.json": r#"{"data":{"key":"patched"}}"# } });
    assert_eq!(call(&server, &patch).1["success"], json!(true));
    assert!(has(one, "patched"));
    let all = [map(one, ""), map(two, ""), map(three, "")].join("---\n");
    let body = json!({ "command": "delete -f -", "stdin": all });
    assert_eq!(call(&server, &body).1["success"], json!(true));
    assert!(!as_admin(&["get", "configmap", one], ""));
    over_stdio(four);
    as_admin(&["delete", "configmap", four], "");
    assert!(server.stop().success());
}

#[test]
fn a_model_is_told_of_stdin_and_files_where_a_verb_may_read_them() {
    let (_folder, writes) = server("");
    looked(&writes);
    let reads = Server::start();
    looked(&reads);
    for (server, tool, expected) in [
        (&writes, "kubectl", true),
        (&writes, "helm", false),
        (&reads, "kubectl", false),
    ] {
        let listed = ask(server, "tools/list", json!({}), &[]);
        let tools = listed["tools"].as_array().unwrap();
        let tool = tools.iter().find(|listed| listed["name"] == tool).unwrap();
        let properties = tool["inputSchema"]["properties"].as_object().unwrap();
        for name in ["stdin", "files"] {
            assert_eq!(properties.contains_key(name), expected, "{tool:#}");
        }
    }
}

/// The same of a server that reads its requests from its standard input.
fn over_stdio(name: &str) {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, WRITES).unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(&config, "[api]\nkubectl = \"off\"\n").unwrap();
    let mut child = Command::new(crate::harness::program())
        .args(["stdio", "--tools-dir"])
        .arg(tools())
        .args(["--egress-allow", &cluster().server.to_string(), "--policy"])
        .arg(&policy)
        .arg("--config")
        .arg(&config)
        .env("KUBECONFIG", &cluster().admin)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "kubectl", "arguments": { "command": "apply -f one.yaml", "files": { "one.yaml": map(name, "stdio") } } } }),
    ] {
        writeln!(stdin, "{message}").unwrap();
    }
    let answer = lines.find_map(|line| {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (message["id"] == 2).then_some(message)
    });
    assert_eq!(answer.unwrap()["result"]["isError"], json!(false));
    assert!(has(name, "stdio"));
    drop(stdin);
    child.wait().unwrap();
}

#[test]
fn what_is_no_text_of_the_request_is_not_read() {
    let (_folder, server) = server("");
    let admin = base64_of(&cluster().admin);
    let map = map("never-brought", "x");
    let file = |name: &str| json!({ name: map });
    let both = json!({ "a": map, "b": map });
    let no_files = json!({});
    let none: Option<&str> = None;
    let text = Some(map.as_str());
    let nul = Some("a: \0");
    let document = format!("apply -f - <<EOF\n{map}EOF");
    let expanding = format!("apply -f - <<EOF\n{map}# $(id)\nEOF");
    let further = format!("apply -f - <<EOF\n{map}EOF\nkubectl get pods");
    for (command, stdin, files, status, code) in [
        // Paths, patterns, folders and URLs, in every spelling.
        (
            "apply -f /etc/passwd",
            none,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "apply -f /etc/passwd",
            text,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "apply --filename=/dev/stdin",
            text,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "apply -f ../../etc/passwd",
            none,
            &no_files,
            403,
            "policy_denied",
        ),
        ("apply -f ./a", none, &file("a"), 403, "policy_denied"),
        ("apply -f files/a", none, &file("a"), 403, "policy_denied"),
        ("apply -f a/../b", none, &both, 403, "policy_denied"),
        ("apply -f 'a*'", none, &file("a"), 403, "policy_denied"),
        ("apply -f .", none, &file("a"), 403, "policy_denied"),
        (
            "apply -f http://169.254.169.254/x",
            none,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "apply -f https://evil.example/x.yaml",
            none,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "apply -f a,/etc/passwd",
            none,
            &file("a"),
            403,
            "policy_denied",
        ),
        (
            "apply -f a --filename=/etc/passwd",
            none,
            &file("a"),
            403,
            "policy_denied",
        ),
        (
            "apply -f a -Rf /etc",
            none,
            &file("a"),
            422,
            "invalid_command",
        ),
        ("apply -R -f a", none, &file("a"), 403, "policy_denied"),
        (
            "apply -k https://evil.example/x",
            none,
            &no_files,
            403,
            "policy_denied",
        ),
        ("apply -k a", none, &file("a"), 403, "policy_denied"),
        (
            "patch cm x --patch-file=-",
            text,
            &no_files,
            403,
            "policy_denied",
        ),
        (
            "create configmap x --from-file=a",
            none,
            &file("a"),
            403,
            "policy_denied",
        ),
        ("apply -f ''", none, &no_files, 403, "policy_denied"),
        // What is not there, or not read.
        ("apply -f -", none, &no_files, 403, "policy_denied"),
        ("apply -f-", none, &no_files, 403, "policy_denied"),
        ("apply -f a", none, &no_files, 403, "policy_denied"),
        ("apply -f A", none, &file("a"), 403, "policy_denied"),
        ("apply -f - -f -", text, &no_files, 422, "invalid_data"),
        ("apply -f -,-", text, &no_files, 422, "invalid_data"),
        ("apply -f a", none, &both, 422, "invalid_data"),
        ("apply -f a", text, &file("a"), 422, "invalid_data"),
        ("get pods", text, &no_files, 422, "invalid_data"),
        ("get pods", none, &file("a"), 422, "invalid_data"),
        ("get pods --help", text, &no_files, 422, "invalid_data"),
        ("get pods a", none, &file("a"), 422, "invalid_data"),
        (document.as_str(), text, &no_files, 422, "invalid_data"),
        ("apply -f -", nul, &no_files, 422, "invalid_data"),
        ("apply -f -", text, &file("../a"), 422, "invalid_data"),
        (
            "apply -f -",
            text,
            &file("/etc/passwd"),
            422,
            "invalid_data",
        ),
        ("apply -f -", text, &file("a/b"), 422, "invalid_data"),
        ("apply -f -", text, &file(""), 422, "invalid_data"),
        ("apply -f -", text, &file("-"), 422, "invalid_data"),
        ("apply -f -", text, &file("..\u{0}"), 422, "invalid_data"),
        // No other shell syntax has come with it.
        ("apply -f - < a", none, &file("a"), 422, "invalid_command"),
        ("apply -f - <<< a", none, &no_files, 422, "invalid_command"),
        (
            "apply -f - <<-EOF\nEOF",
            none,
            &no_files,
            422,
            "invalid_command",
        ),
        (expanding.as_str(), none, &no_files, 422, "invalid_command"),
        (further.as_str(), none, &no_files, 422, "invalid_command"),
        (
            "cat <<EOF | kubectl apply -f -\nx\nEOF",
            none,
            &no_files,
            422,
            "invalid_command",
        ),
        (
            "get -f - | grep x <<EOF\nx\nEOF",
            none,
            &no_files,
            422,
            "invalid_command",
        ),
    ] {
        let mut body = json!({ "command": command, "files": files });
        if let Some(stdin) = stdin {
            body["stdin"] = stdin.into();
        }
        let (got, answer) = call(&server, &body);
        assert_eq!(
            (got, answer["code"].as_str()),
            (status, Some(code)),
            "{body}: {answer}"
        );
        let told = answer.to_string();
        assert!(!told.contains("never-brought"), "{told}");
        let hint = answer["hint"].as_str().unwrap();
        assert!(!hint.is_empty());
        let refused = call_tool(&server, "kubectl", &body, &[("X-Kubeconfig", &admin)]);
        assert_eq!(refused["isError"], json!(true), "{refused}");
        assert_eq!(
            refused["_meta"]["kube-airlock"]["code"], answer["code"],
            "{refused}"
        );
    }
    assert!(!as_admin(&["get", "configmap", "never-brought"], ""));
    let twice = format!(r#"{{"command": "apply -f a", "files": {{"a": "", "a": {map:?}}}}}"#);
    let headers = [("Content-Type", "application/json")];
    let reply = server.send("POST", "/tools/kubectl", &headers, twice.as_bytes());
    assert_eq!(
        (reply.status, reply.text("code").as_str()),
        (422, "invalid_data")
    );
    for (field, wrong) in [
        ("stdin", json!({ "kind": "Pod" })),
        ("files", json!(["x"])),
        ("files", json!({ "a": 1 })),
    ] {
        let (status, answer) = call(&server, &json!({ "command": "apply -f a", field: wrong }));
        assert_eq!(
            (status, answer["code"].as_str()),
            (400, Some("invalid_request")),
            "{answer}"
        );
        assert!(
            answer["reason"].as_str().unwrap().contains(field),
            "{answer}"
        );
    }
}

#[test]
fn objects_are_judged_and_their_tool_reads_no_byte_of_the_caller() {
    let (_folder, server) = server("");
    let secret = "kind: Secret\napiVersion: v1\nmetadata: {name: never-brought}\n";
    let both = format!("{}---\n{secret}", map("never-brought", "x"));
    for (text, status, code, told) in [
        (secret, 403, "policy_denied", "Secret"),
        (both.as_str(), 403, "policy_denied", "Secret"),
        (
            "kind: List\napiVersion: v1\nitems: [{kind: Secret, apiVersion: v1, metadata: {name: x}}]",
            403,
            "policy_denied",
            "Secret",
        ),
        ("a: &x 1\nb: *x", 422, "invalid_manifest", ""),
        ("kind: ConfigMap\nkind: Secret", 422, "invalid_manifest", ""),
        ("", 422, "invalid_manifest", ""),
    ] {
        for explain in [false, true] {
            let body = json!({ "command": "apply -f -", "stdin": text, "explain": explain });
            let (got, answer) = call(&server, &body);
            let got = (got, answer["code"].as_str());
            // A question about a refusal is answered, too.
            assert!(
                got.1 == Some(code) && (explain || got.0 == status),
                "{body}: {answer}"
            );
            assert!(
                answer["reason"].as_str().unwrap().contains(told),
                "{answer}"
            );
        }
    }
    assert!(!as_admin(&["get", "configmap", "never-brought"], ""));
}

#[test]
fn what_a_manifest_says_is_all_that_is_written_under_the_monitor() {
    let (_folder, server) = server_that("", "require");
    let name = "brought-judged";
    as_admin(&["delete", "configmap", "--ignore-not-found", name], "");
    for (command, value, verb) in [
        ("apply -f -", "one", "create"),
        ("apply -f -", "two", "patch"),
        ("replace -f -", "three", "update"),
        ("delete -f -", "three", "delete"),
        ("create -f -", "four", "create"),
    ] {
        let body = json!({ "command": command, "stdin": map(name, value) });
        let (_, answer) = call(&server, &body);
        assert_eq!(answer["success"], json!(true), "{command}: {answer}");
        let written = answer["effects"]["writes"].to_string();
        let is_told = written.contains(name) && written.contains(verb);
        assert!(is_told, "{command}: {answer}");
        assert_eq!(has(name, value), verb != "delete", "{command}");
    }
    as_admin(&["delete", "configmap", name], "");
}

#[test]
fn as_much_as_the_settings_say_is_taken_and_no_more() {
    let filled = |bytes: usize| {
        let map = map("brought-much", "x");
        let comment = "#".repeat(bytes - map.len() - 1);
        format!("{map}{comment}\n")
    };
    let mib = 1 << 20;
    for (limits, most) in [("", mib), ("data = \"1KiB\"", 1024)] {
        let (_folder, server) = server(limits);
        let split = |bytes: usize| {
            let little = map("brought-little", "x");
            let text = filled(bytes - little.len());
            json!({ "command": "apply -f a -f b", "files": { "a": text, "b": little } })
        };
        let document = format!("apply -f - <<'EOF'\n{}EOF", filled(most));
        let much = format!("apply -f - <<'EOF'\n{}EOF", filled(most + 1));
        for (body, is_taken) in [
            (
                json!({ "command": "apply -f -", "stdin": filled(most) }),
                true,
            ),
            (
                json!({ "command": "apply -f -", "stdin": filled(most + 1) }),
                false,
            ),
            (split(most), true),
            (split(most + 1), false),
            (json!({ "command": document }), true),
            (json!({ "command": much }), false),
        ] {
            let (status, answer) = call(&server, &body);
            let (expected, code) = if is_taken {
                (200, None)
            } else {
                (413, Some("data_too_large"))
            };
            assert_eq!(
                (status, answer["code"].as_str()),
                (expected, code),
                "{answer}"
            );
            assert_eq!(answer["success"], json!(is_taken), "{answer}");
        }
    }
    let (_folder, server) = server("");
    for (bytes, code) in [(1024, None), (1025, Some("data_too_large"))] {
        let body = json!({ "command": "wait -f - --for=jsonpath={.data.key}=x --timeout=5s", "stdin": filled(bytes) });
        let (_, answer) = call(&server, &body);
        assert_eq!(answer["code"].as_str(), code, "{answer}");
        let told = answer["reason"].as_str().unwrap_or_default();
        assert_eq!(
            told.contains("by the rule `little`"),
            code.is_some(),
            "{answer}"
        );
    }
    as_admin(
        &["delete", "configmap", "brought-much", "brought-little"],
        "",
    );
}

/// The child that reads a file of its request.
fn reader(server: &Server) -> Option<u32> {
    let mut children = server.children().into_iter();
    children.find(|child| {
        let argv = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&argv).contains("/files/one.yaml")
    })
}

/// The directory of the request that brings it.
fn with_files(server: &Server) -> std::path::PathBuf {
    let mut workspaces = server.workspaces().into_iter();
    workspaces.find(|path| path.join("files").exists()).unwrap()
}

#[test]
fn what_a_request_brings_is_its_childs_alone_and_goes_with_it() {
    let (_folder, mut server) = server("longest_timeout = \"5m\"");
    let command = "get -f one.yaml --watch";
    as_admin(&["apply", "-f", "-"], &map("brought-held", "x"));
    let manifest = format!("{}# hunter2\n", map("brought-held", "x"));
    let body = json!({ "command": command, "files": { "one.yaml": manifest }, "timeout": "4m" });
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let hold = |server: &Server| {
        let stream = server.open(
            "POST",
            "/tools/kubectl",
            &headers,
            body.to_string().as_bytes(),
        );
        eventually("the tool runs", || reader(server).is_some());
        stream
    };
    let stream = hold(&server);
    let workspace = with_files(&server);
    let files = workspace.join("files");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (
            mode(&workspace),
            mode(&files),
            mode(&files.join("one.yaml"))
        ),
        (0o700, 0o700, 0o600)
    );
    let names: Vec<_> = fs::read_dir(&workspace)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(names.iter().all(|name| name != "input"), "{names:?}");
    let child = reader(&server).unwrap();
    let owner = |path: &std::path::Path| fs::metadata(path).unwrap().uid();
    let owners = [&workspace, &files, &files.join("one.yaml")].map(|path| owner(path));
    assert_eq!(owners, [owner(format!("/proc/{child}").as_ref()); 3]);
    assert_eq!(owners[0] == 0, !is_root());
    let argv = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap();
    assert!(
        !argv.contains("hunter2") && argv.contains("/files/one.yaml"),
        "{argv}"
    );
    let held = fs::read_to_string(files.join("one.yaml")).unwrap();
    let written = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "brought-held", "namespace": "default" }, "data": { "key": "x" } });
    assert_eq!(serde_json::from_str::<Value>(&held).unwrap(), written);
    drop(stream);
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
    // Nor is anything when the server is killed.
    let stream = hold(&server);
    let files = with_files(&server).join("files");
    assert!(files.join("one.yaml").exists());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    eventually("the spawner removes it", || !files.exists());
    drop(stream);
    as_admin(&["delete", "configmap", "brought-held"], "");
}

#[test]
fn records_have_the_digest_of_what_a_request_brings_and_none_of_it() {
    let (_folder, server) = server("");
    let text = format!(
        "{}# hunter2-{}\n",
        map("brought-recorded", "x"),
        "y".repeat(40)
    );
    let allowed = json!({ "command": "apply -f - -f a.yaml --dry-run=client", "stdin": text, "files": { "a.yaml": text } });
    assert_eq!(call(&server, &allowed).1["success"], json!(true));
    let document = format!("annotate pod web-0 <<'EOF'\n{text}EOF");
    assert_eq!(call(&server, &json!({ "command": document })).0, 403);
    assert_eq!(
        call(&server, &json!({ "command": "get pods", "stdin": text })).0,
        422
    );
    let records = server.records();
    let decisions: Vec<&Value> = records
        .iter()
        .filter(|record| !record["data"].is_null())
        .collect();
    assert_eq!(decisions.len(), 3, "{records:?}");
    let piece = |record: &Value, at: usize| record["data"][at].clone();
    let printed = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut sum = printed.unwrap();
    sum.stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let sum = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    let sha256 = sum.split(' ').next().unwrap();
    let input = json!({ "bytes": text.len(), "sha256": sha256 });
    assert_eq!(piece(decisions[0], 0), input);
    assert_eq!(
        piece(decisions[0], 1),
        json!({ "file": "a.yaml", "bytes": text.len(), "sha256": sha256 })
    );
    assert_eq!(
        (piece(decisions[1], 0), piece(decisions[2], 0)),
        (input.clone(), input)
    );
    let everything = format!("{records:?}");
    assert!(!everything.contains("hunter2"), "{everything}");
}
