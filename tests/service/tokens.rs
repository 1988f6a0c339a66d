//! What a model pays for the MCP door, counted by the tokenizers of its vendors: the list of tools,
//! and each answer beside the output itself. And that what is listed is what the policy says.

use std::{collections::BTreeMap, fs, sync::OnceLock};

use serde_json::{Value, json};
use tiktoken_rs::CoreBPE;

use crate::{
    harness::{Server, base64_of, cluster, readable_folder, tools},
    mcp::{ask, call_tool},
    pipes::looked,
};

/// How many tokens a text is, by the tokenizer that needs most.
fn tokens(text: &str) -> usize {
    static TOKENIZERS: OnceLock<[CoreBPE; 2]> = OnceLock::new();
    let tokenizers = TOKENIZERS.get_or_init(|| {
        [
            tiktoken_rs::cl100k_base().unwrap(),
            tiktoken_rs::o200k_base().unwrap(),
        ]
    });
    let counts = tokenizers
        .each_ref()
        .map(|one| one.encode_ordinary(text).len());
    counts.into_iter().max().unwrap()
}

/// A server with this policy, which has looked at its tools.
pub fn server(policy: &str) -> Server {
    let tools = tools();
    let address = cluster().server.to_string();
    let tools = ["--tools-dir", tools.to_str().unwrap()];
    let server = Server::with(
        &[
            &tools[..],
            &["--egress-allow", &address, "--policy", policy],
        ]
        .concat(),
        None,
    );
    looked(&server);
    server
}

fn listed(server: &Server) -> Value {
    ask(server, "tools/list", json!({}), &[])
}

/// The command in the description of a tool.
fn example(tool: &Value) -> &str {
    let description = tool["description"].as_str().unwrap();
    let quoted = description.split('`').nth(1);
    quoted.unwrap_or_else(|| panic!("no example: {description}"))
}

#[test]
fn all_tools_cost_a_model_a_tenth_of_what_they_did_and_say_what_the_policy_allows() {
    let kubeconfig = base64_of(&cluster().view);
    for (policy, most, reads_only) in [
        ("builtin:read-only", 600, true),
        ("builtin:standard", 800, false),
        ("builtin:admin", 800, false),
    ] {
        let server = server(policy);
        let listed = listed(&server);
        let cost = tokens(&listed.to_string());
        assert!(cost <= most, "{policy}: {cost} tokens: {listed:#}");
        let tools = listed["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 4, "{listed:#}");
        for tool in tools {
            let name = tool["name"].as_str().unwrap();
            let hints = &tool["annotations"];
            if name == "kubectl" || reads_only {
                let expected =
                    json!({ "readOnlyHint": reads_only, "destructiveHint": !reads_only });
                assert_eq!(hints, &expected, "{policy}: {tool:#}");
            }
            let schema = tool["inputSchema"].to_string();
            for absent in ["kubeconfig", "token", "$ref", "null"] {
                assert!(!schema.contains(absent), "{absent}: {tool:#}");
            }
            assert!(tool.get("outputSchema").is_none(), "{tool:#}");
            assert_eq!(tool["inputSchema"]["required"], json!(["command"]));
            let arguments = json!({ "command": example(tool), "timeout": 3 });
            let headers = [("X-Kubeconfig", kubeconfig.as_str())];
            let answer = call_tool(&server, name, &arguments, &headers);
            let code = &answer["_meta"]["kube-airlock"]["code"];
            let refused = ["policy_denied", "confirmation_required", "invalid_command"];
            assert!(
                !refused.contains(&code.as_str().unwrap_or_default()),
                "{policy}: {name}: {answer}"
            );
        }
    }
    let told = tokens(
        discovered(&server("builtin:read-only"))["instructions"]
            .as_str()
            .unwrap(),
    );
    assert!(told <= 80, "{told} tokens of instructions");
}

fn discovered(server: &Server) -> Value {
    ask(server, "server/discover", json!({}), &[])
}

#[test]
fn a_tool_of_which_nothing_is_allowed_is_not_listed_and_verbs_are_those_of_the_rules() {
    let folder = readable_folder();
    let policy = folder.path().join("few.toml");
    let rules = r#"
schema = 1
[[rule]]
id = "pods"
effect = "allow"
reason = "pods only"
tool = "kubectl"
verbs = ["get", "rollout status"]
resources = ["pods", "deployments.apps"]
namespaces = ["shop"]
matches = ["kubectl get pods -n shop"]
[[rule]]
id = "ask"
effect = "confirm"
reason = "a person looks first"
tool = "kubectl"
verbs = ["delete"]
resources = ["pods"]
namespaces = ["shop"]
matches = ["kubectl delete pod web-0 -n shop"]
[[rule]]
id = "help"
effect = "allow"
reason = "help is always the same"
tool = "helm"
verbs = ["*"]
require = ["--help"]
[[rule]]
id = "nobody"
effect = "deny"
reason = "not here"
tool = "argocd"
verbs = ["*"]
"#;
    fs::write(&policy, rules).unwrap();
    let server = server(policy.to_str().unwrap());
    let listed = listed(&server);
    let [kubectl] = listed["tools"].as_array().unwrap().as_slice() else {
        panic!("{listed:#}");
    };
    assert_eq!(
        kubectl["description"],
        "Runs one kubectl command, e.g. `get pods -n shop`. Allowed: get, rollout status. Only a person may: delete."
    );
    assert_eq!(kubectl["annotations"]["readOnlyHint"], false);
}

#[test]
fn an_answer_costs_little_more_than_its_output_and_a_refusal_eighty_tokens() {
    let server = server("builtin:read-only");
    let kubeconfig = base64_of(&cluster().view);
    let headers = [("X-Kubeconfig", kubeconfig.as_str())];
    let call = |command: &str| {
        let answer = call_tool(&server, "kubectl", &json!({ "command": command }), &headers);
        assert!(answer["structuredContent"].is_null(), "{answer}");
        assert_eq!(answer["content"].as_array().unwrap().len(), 1, "{answer}");
        let text = answer["content"][0]["text"].as_str().unwrap().to_owned();
        (text, answer["_meta"]["kube-airlock"].clone())
    };
    let mut numbers = BTreeMap::new();
    for command in [
        "get pods -A",
        "get pods -A -o json",
        "version --client",
        "get pods -A",
    ] {
        let (text, facts) = call(command);
        assert_eq!(facts["success"], true, "{command}: {text}");
        for fact in ["request_id", "duration_ms", "sandbox", "rule"] {
            assert!(!facts[fact].is_null(), "{fact}: {facts}");
        }
        for told in ["output", "error", "reason", "hint", "notes"] {
            assert!(facts.get(told).is_none(), "{told} is told twice: {facts}");
        }
        let fence = facts["untrusted"].as_str().unwrap();
        let output = text.strip_prefix(&format!("<{fence}>\n")).unwrap();
        let (output, after) = output.split_once(&format!("</{fence}>")).unwrap();
        assert_eq!(after, "", "{command}");
        let overhead = tokens(&text) - tokens(output);
        assert!(
            overhead <= 20,
            "{command}: {overhead} tokens beside the output"
        );
        *numbers.entry(fence.to_owned()).or_insert(0) += 1;
    }
    assert_eq!(
        numbers.len(),
        4,
        "each call has a fence of its own: {numbers:?}"
    );
    // What is cut says how the rest is had.
    let cut = json!({ "command": "explain pod.spec --recursive", "max_output": 3000 });
    let cut = call_tool(&server, "kubectl", &cut, &headers);
    let fence = cut["_meta"]["kube-airlock"]["untrusted"].as_str().unwrap();
    let text = cut["content"][0]["text"].as_str().unwrap();
    let (_, words) = text.split_once(&format!("</{fence}>\n")).unwrap();
    assert!(words.contains("send `output "), "{words}");
    let cost = tokens(words);
    println!("{cost} tokens: {words}");
    assert!(cost <= 80, "{cost} tokens: {words}");
    let mut costs = Vec::new();
    for command in [
        "delete pod web-0",
        "get secrets",
        "get pods -w",
        "logs -f web-0",
        "exec web-0 -- id",
        "apply -f x.yaml",
        "gte pods",
        "get pods --namspace shop",
        "get pods -o yamll",
        "get pods; id",
        "get pods > /tmp/x",
        "rollout restart deploy/web",
        "scale deploy/web --replicas=3",
        "config view --raw",
        "get pods | sh",
    ] {
        let (text, facts) = call(command);
        assert!(!facts["code"].is_null(), "{command}: {text}");
        assert!(text.starts_with("error["), "{text}");
        costs.push((tokens(&text), text));
    }
    costs.sort();
    let (most, text) = costs.last().unwrap();
    assert!(*most <= 80, "{most} tokens:\n{text}");
}
