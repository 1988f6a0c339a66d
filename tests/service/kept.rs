//! Nothing is lost in the middle: what an answer leaves out is kept for its caller for minutes, and
//! read by lines and a pattern, over every door.

use std::fs;

use serde_json::{Value, json};

use crate::{
    callers::token,
    harness::{Reply, Server, as_admin, base64_of, cluster, eventually, readable_folder},
    mcp::call_tool,
    tokens::server,
};

/// Prints a thousand lines, and always the same.
const LONG: &str = "explain pod.spec --recursive";

/// A caller of a server.
struct Caller<'a> {
    server: &'a Server,
    authorization: String,
    kubeconfig: String,
}

impl<'a> Caller<'a> {
    fn of(server: &'a Server, token: &str) -> Self {
        Self {
            server,
            authorization: format!("Bearer {token}"),
            kubeconfig: base64_of(&cluster().view),
        }
    }

    fn nobody(server: &'a Server) -> Self {
        Self::of(server, "")
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", self.kubeconfig.as_str()),
        ];
        if self.authorization != "Bearer " {
            headers.push(("Authorization", &self.authorization));
        }
        headers
    }

    fn kubectl(&self, command: &str, fields: &Value) -> Value {
        let mut body = fields.clone();
        body["command"] = command.into();
        let (headers, body) = (self.headers(), body.to_string());
        let reply = self
            .server
            .send("POST", "/tools/kubectl", &headers, body.as_bytes());
        reply.json()
    }

    /// What an answer of 3,000 bytes leaves out is kept; the name of the output.
    fn keeps(&self, command: &str) -> (String, Value) {
        let answer = self.kubectl(command, &json!({ "max_output": 3000 }));
        let id = answer["kept"]["id"].as_str();
        let id = id.unwrap_or_else(|| panic!("nothing is kept: {answer}"));
        (id.to_owned(), answer)
    }

    fn read(&self, id: &str, query: &str) -> Reply {
        let path = format!("/calls/{id}/output{query}");
        self.server.send("GET", &path, &self.headers(), b"")
    }
}

/// Two callers, and their server with further settings.
fn two_callers(settings: &str) -> (tempfile::TempDir, Server, [String; 2]) {
    let (alice, of_alice) = token("alice", &[]);
    let (bob, of_bob) = token("bob", &[]);
    let settings = format!("{of_alice}\n{of_bob}\n{settings}");
    let (folder, server) = Server::with_settings(&settings);
    (folder, server, [alice, bob])
}

/// The words of the answer that lead to the rest.
fn hint(answer: &Value) -> String {
    let notes = answer["notes"].as_array().unwrap().iter();
    let mut notes = notes
        .filter_map(Value::as_str)
        .filter(|note| note.contains("`output "));
    let note = notes.next().unwrap_or_else(|| panic!("{answer}"));
    note.split('`').nth(1).unwrap().to_owned()
}

#[test]
fn what_an_answer_leaves_out_is_read_by_its_caller_over_every_door_and_by_nobody_else() {
    let (_folder, server, [alice, bob]) = two_callers("");
    let (alice, bob) = (Caller::of(&server, &alice), Caller::of(&server, &bob));
    let whole = alice.kubectl(LONG, &json!({ "max_output": 1 << 20 }));
    assert_eq!(whole["truncated"], false);
    assert!(
        whole["kept"].is_null(),
        "what is told is not kept: {}",
        whole["kept"]
    );
    let whole = whole["output"].as_str().unwrap();
    let count = whole.lines().count();

    let (id, answer) = alice.keeps(LONG);
    assert_eq!(answer["request_id"].as_str(), Some(id.as_str()));
    let kept = &answer["kept"];
    assert_eq!(
        (
            &kept["lines"],
            &kept["bytes"],
            &kept["whole"],
            &kept["seconds"]
        ),
        (
            &json!(count),
            &json!(whole.len()),
            &json!(true),
            &json!(600)
        )
    );
    let told = answer["output"].as_str().unwrap();
    let head = told.split("[... ").next().unwrap();
    let from = head.lines().count() + 1;
    assert_eq!(kept["from_line"], from);

    // By the words of the answer alone.
    let command = hint(&answer);
    assert_eq!(command, format!("output {id} lines={from}-"));
    let asked = alice.kubectl(&command, &json!({ "explain": true }));
    assert_eq!(
        (&asked["success"], &asked["output"]),
        (&json!(true), &json!("")),
        "{asked}"
    );
    assert!(
        asked["notes"].to_string().contains("it may be read"),
        "{asked}"
    );
    let rest = alice.kubectl(&command, &json!({}));
    assert_eq!(
        (&rest["success"], &rest["exit_code"]),
        (&json!(true), &json!(0)),
        "{rest}"
    );
    assert_eq!(format!("{head}{}", rest["output"].as_str().unwrap()), whole);
    assert_eq!(
        rest["notes"],
        json!([format!("lines {from} to {count} of {count}")])
    );

    // In parts, each of which says where it goes on; by tool and path.
    let (mut parts, mut next) = (String::new(), Some(1));
    while let Some(from) = next {
        let part = alice.kubectl(
            &format!("output {id} lines={from}-"),
            &json!({ "max_output": 4000 }),
        );
        let text = part["output"].as_str().unwrap();
        assert!(!text.is_empty() && text.len() <= 4000, "{part}");
        parts += text;
        next = part["part"]["next"].as_u64();
    }
    assert_eq!(parts, whole);
    let by_path = alice.read(&id, "?lines=3-5").json();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(by_path["output"], format!("{}\n", lines[2..5].join("\n")));
    assert_eq!(
        by_path["part"],
        json!({ "id": id, "from": 3, "to": 5, "of_lines": count, "whole": true })
    );
    let found = alice.read(&id, "?grep=nodeSel.*string").json();
    let is_found = |line: &&str| line.contains("nodeSel") && line.contains("string");
    let expected = lines.iter().position(is_found).unwrap();
    assert!(
        found["output"].as_str().unwrap().starts_with(&format!(
            "{}:{}",
            expected + 1,
            lines[expected]
        )),
        "{found}"
    );
    assert_eq!(found["part"]["matching"], 1, "{found}");
    let headers: Vec<(&str, &str)> = alice.headers().into_iter().skip(1).collect();
    let arguments = json!({ "command": format!("output {id} lines=3-5") });
    let by_tool = call_tool(&server, "helm", &arguments, &headers);
    let text = by_tool["content"][0]["text"].as_str().unwrap();
    let fence = by_tool["_meta"]["kube-airlock"]["untrusted"]
        .as_str()
        .unwrap();
    assert_eq!(
        text,
        format!(
            "<{fence}>\n{}\n</{fence}>\n[lines 3 to 5 of {count}]",
            lines[2..5].join("\n")
        )
    );

    // For others it is as if it were not there.
    let shape = |reply: &Reply| {
        (
            reply.status,
            reply.text("code"),
            reply.text("reason"),
            reply.text("hint"),
        )
    };
    let unknown = alice.read("0123456789abcdef0123456789abcdef", "");
    assert_eq!(
        (unknown.status, unknown.text("code").as_str()),
        (404, "not_found")
    );
    assert_eq!(shape(&bob.read(&id, "?lines=3-5")), shape(&unknown));
    let refused = bob.kubectl(&format!("output {id} lines=3-5"), &json!({}));
    assert_eq!(refused["code"], "not_found", "{refused}");
    let asked = format!("output {id} lines=3-5");
    let asked = bob.kubectl(&asked, &json!({ "explain": true }));
    assert_eq!(asked["code"], "not_found", "{asked}");
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let held = metrics
        .lines()
        .find_map(|line| line.strip_prefix("airlock_kept_output_bytes "))
        .and_then(|value| value.parse::<f64>().ok());
    assert!(held.is_some_and(|held| held > 1000.0), "{metrics}");
    assert_eq!(Caller::nobody(&server).read(&id, "").status, 401);
    for (query, reason) in [
        ("?lines=x", "`x` names no lines"),
        ("?head=3", "`output` takes no `head=`"),
    ] {
        let reply = alice.read(&id, query);
        assert_eq!((reply.status, reply.text("reason").as_str()), (400, reason));
    }

    let records = server.records();
    let reads: Vec<&Value> = records
        .iter()
        .filter(|record| record["event"] == "output")
        .collect();
    assert!(
        reads.len() >= 5,
        "each that was read is recorded: {reads:?}"
    );
    for record in &reads {
        assert_eq!(
            (&record["request_id"], &record["principal"]),
            (&json!(id), &json!("alice")),
            "{record}"
        );
    }
    assert_eq!(reads[0]["lines"], json!([from, count]));
    assert!(
        reads
            .iter()
            .any(|record| record["searched"] == true && record["door"] == "rest")
    );
}

#[test]
fn items_that_are_left_out_of_a_document_are_read_as_its_lines() {
    let (_folder, server, [alice, _]) = two_callers("");
    let alice = Caller::of(&server, &alice);
    let most = json!({ "max_output": 1 << 20 });
    let all = alice.kubectl("get pods -A -o json", &most);
    let all = all["output"].as_str().unwrap();
    let half = json!({ "max_output": all.len() / 2 });
    let answer = alice.kubectl("get pods -A -o json", &half);
    assert!(
        answer["left_out"]["items"].as_u64().unwrap() > 0,
        "{answer}"
    );
    let command = format!("output {}", answer["kept"]["id"].as_str().unwrap());
    let read = alice.kubectl(&command, &most);
    let items = |text: &str| {
        let document: Value = serde_json::from_str(text).unwrap();
        document["items"].as_array().unwrap().len()
    };
    assert_eq!(items(read["output"].as_str().unwrap()), items(all));
    // One document that no answer can have is refused, and is kept all the same.
    let half = alice.kubectl("get pod web-0 -o json", &json!({ "max_output": 1000 }));
    assert_eq!(half["code"], "too_much_output", "{half}");
    let command = hint(&half);
    let rest = alice.kubectl(&command, &json!({}));
    assert_eq!(rest["success"], true, "{rest}");
}

#[test]
fn what_is_kept_is_bounded_for_each_output_and_caller_and_the_oldest_goes_first() {
    let bounds = "[kept]\noutput = \"8KiB\"\nper_caller = \"20KiB\"\nall = \"32KiB\"\n";
    let (_folder, server, [alice, bob]) = two_callers(bounds);
    let (alice, bob) = (Caller::of(&server, &alice), Caller::of(&server, &bob));
    let (of_bob, _) = bob.keeps(LONG);
    let (first, answer) = alice.keeps(LONG);
    let kept = &answer["kept"];
    let bytes = kept["bytes"].as_u64().unwrap();
    assert!(bytes <= 8 << 10 && bytes > 6 << 10, "{kept}");
    assert_eq!(kept["whole"], false);
    let note = answer["notes"].to_string();
    assert!(
        note.contains(&format!(
            "its first {} lines are kept for 10m",
            kept["lines"]
        )),
        "{note}"
    );
    let part = alice.read(&first, "?lines=-1").json();
    assert!(
        part["notes"].to_string().contains("that are kept"),
        "{part}"
    );
    let (second, _) = alice.keeps(LONG);
    let (third, _) = alice.keeps(LONG);
    for (id, status) in [(&first, 404), (&second, 200), (&third, 200)] {
        assert_eq!(alice.read(id, "?lines=1").status, status);
    }
    assert_eq!(
        bob.read(&of_bob, "?lines=1").status,
        200,
        "others keep theirs"
    );
}

#[test]
fn what_is_kept_is_forgotten_after_its_time() {
    let (_folder, server, [alice, _]) = two_callers("[kept]\ntime = \"5s\"\n");
    let alice = Caller::of(&server, &alice);
    let (id, answer) = alice.keeps(LONG);
    assert!(
        answer["notes"].to_string().contains("kept for 5s"),
        "{answer}"
    );
    assert_eq!(alice.read(&id, "?lines=1").status, 200);
    eventually("it is forgotten", || {
        alice.read(&id, "?lines=1").status == 404
    });
}

#[test]
fn where_nothing_is_kept_nothing_is_promised() {
    let (_folder, server, [alice, _]) = two_callers("[kept]\ntime = \"0\"\n");
    let answer = Caller::of(&server, &alice).kubectl(LONG, &json!({ "max_output": 3000 }));
    assert_eq!(answer["truncated"], true);
    assert!(
        answer["kept"].is_null() && !answer["notes"].to_string().contains("output "),
        "{answer}"
    );
}

#[test]
fn a_caller_without_a_name_reads_what_it_was_told_the_name_of() {
    let server = Server::start();
    let nobody = Caller::nobody(&server);
    let (id, answer) = nobody.keeps(LONG);
    assert_eq!(nobody.read(&id, "?lines=1").status, 200);
    // Ids of calls that run are listed, and all callers without a token are one.
    assert_ne!(answer["request_id"].as_str(), Some(id.as_str()));
    let by_call = nobody.read(answer["request_id"].as_str().unwrap(), "?lines=1");
    assert_eq!(by_call.status, 404);
}

#[test]
fn what_is_kept_holds_no_secret_that_an_answer_would_not_have() {
    let lines: String = (0..500)
        .map(|number| match number {
            250 => "authorization: Bearer abcdefghijklmnopqrstuvwxyz\n".to_owned(),
            number => format!("line {number} of a text \u{1b}[31mthat is long\u{1b}[0m\n"),
        })
        .collect();
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "kept-secret", "namespace": "default" }, "data": { "log": lines } });
    assert!(as_admin(&["apply", "-f", "-"], &object.to_string()));
    let server = Server::start();
    let nobody = Caller::nobody(&server);
    let (id, answer) = nobody.keeps("get cm kept-secret -n default -o jsonpath={.data.log}");
    assert!(
        !answer["output"].as_str().unwrap().contains("Bearer"),
        "{answer}"
    );
    let kept = nobody.read(&id, "").json();
    let text = kept["output"].as_str().unwrap();
    assert!(text.contains("line 249 of a text that is long\n"), "{text}");
    assert!(
        text.contains("[REDACTED]") && !text.contains("abcdefghij"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
    as_admin(&["delete", "cm", "kept-secret", "-n", "default"], "");
}

#[test]
fn other_rules_forget_what_the_old_ones_let_a_caller_read() {
    let rules = r#"
schema = 1
[[rule]]
id = "explain"
effect = "allow"
reason = "what objects have is not secret"
tool = "kubectl"
verbs = ["explain"]
flags = ["--recursive"]
matches = ["kubectl explain pod.spec --recursive"]
"#;
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, rules).unwrap();
    let server = server(policy.to_str().unwrap());
    let nobody = Caller::nobody(&server);
    let (id, _) = nobody.keeps(LONG);
    assert_eq!(nobody.read(&id, "?lines=1").status, 200);
    fs::write(&policy, format!("{rules}\n# changed\n")).unwrap();
    eventually("the changed policy is taken", || {
        nobody.read(&id, "?lines=1").status == 404
    });
    let (id, _) = nobody.keeps(LONG);
    assert_eq!(nobody.read(&id, "?lines=1").status, 200);
}
