//! Prompts whose every command the policy in force allows.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::{
    harness::{Server, readable_folder},
    mcp::{ask, call_tool},
    tokens::server,
};

/// Each prompt with what it may be asked about, and how many commands it has.
fn inquiries() -> BTreeMap<&'static str, (Value, usize)> {
    let workload = json!({ "workload": "deployment/web", "namespace": "shop" });
    BTreeMap::from([
        ("argocd-application", (json!({ "application": "shop" }), 3)),
        ("capacity", (json!({}), 6)),
        ("diagnose-workload", (workload.clone(), 6)),
        ("explain-rollout", (workload, 7)),
        ("mesh-check", (json!({ "namespace": "shop" }), 5)),
        ("review-changes", (json!({ "namespace": "shop" }), 4)),
    ])
}

fn names(server: &Server) -> Vec<String> {
    let listed = ask(server, "prompts/list", json!({}), &[]);
    let prompts = listed["prompts"].as_array().unwrap().iter();
    prompts
        .map(|prompt| prompt["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The tools and commands of a prompt.
fn commands(server: &Server, name: &str, arguments: &Value) -> Vec<(String, String)> {
    let params = json!({ "name": name, "arguments": arguments });
    let prompt = ask(server, "prompts/get", params, &[]);
    let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
    let lines = text.lines().filter_map(|line| {
        let (_, step) = line
            .split_once(". ")
            .filter(|(number, _)| number.parse::<u8>().is_ok())?;
        let (tool, rest) = step.split_once(": `")?;
        let (command, _) = rest.split_once('`')?;
        Some((tool.to_owned(), command.to_owned()))
    });
    lines.collect()
}

#[test]
fn every_command_of_every_prompt_is_allowed_by_the_policy_in_force() {
    for policy in ["builtin:read-only", "builtin:standard", "builtin:admin"] {
        let server = server(policy);
        let mut listed = names(&server);
        listed.sort();
        assert_eq!(
            listed,
            inquiries().keys().copied().collect::<Vec<_>>(),
            "{policy}"
        );
        for (name, (arguments, count)) in inquiries() {
            let commands = commands(&server, name, &arguments);
            assert_eq!(commands.len(), count, "{policy}: {name}: {commands:?}");
            for (tool, command) in commands {
                let question = json!({ "command": command, "explain": true });
                let answer = call_tool(&server, &tool, &question, &[]);
                assert_eq!(
                    answer["_meta"]["kube-airlock"]["success"], true,
                    "{policy}: {name}: {tool} {command}: {answer}"
                );
            }
        }
    }
}

#[test]
fn a_prompt_is_listed_for_whom_it_is_of_use_and_names_what_it_may() {
    let folder = readable_folder();
    let policy = folder.path().join("few.toml");
    let rules = r#"
schema = 1
[[rule]]
id = "pods"
effect = "allow"
reason = "the shop's pods"
tool = "kubectl"
verbs = ["get"]
resources = ["pods", "deployments.apps"]
namespaces = ["shop"]
values = { "--output" = ["wide"] }
[[rule]]
id = "descriptions"
effect = "allow"
reason = "the shop's pods"
tool = "kubectl"
verbs = ["describe"]
resources = ["pods", "deployments.apps"]
namespaces = ["shop"]
"#;
    fs::write(&policy, rules).unwrap();
    let server = server(policy.to_str().unwrap());
    // Nothing of istioctl and argocd is allowed, and so nothing is asked about them.
    assert_eq!(
        names(&server),
        [
            "diagnose-workload",
            "explain-rollout",
            "review-changes",
            "capacity"
        ]
    );
    let in_shop = json!({ "workload": "deployment/web", "namespace": "shop" });
    let allowed: Vec<String> = commands(&server, "diagnose-workload", &in_shop)
        .into_iter()
        .map(|(_, command)| command)
        .collect();
    assert_eq!(
        allowed,
        [
            "get deployment/web -o wide -n shop",
            "describe deployment/web -n shop",
            "get pods -o wide -n shop"
        ]
    );
    let elsewhere = json!({ "name": "diagnose-workload", "arguments": { "workload": "deployment/web", "namespace": "bank" } });
    let error = crate::resources::refused(&server, "prompts/get", &elsewhere);
    assert_eq!(
        (&error["code"], &error["message"]),
        (
            &json!(-32602),
            &json!("the policy allows no command of it here")
        ),
        "{error}"
    );
    let wrong =
        json!({ "name": "diagnose-workload", "arguments": { "workload": "pod/web --all" } });
    let error = crate::resources::refused(&server, "prompts/get", &wrong);
    assert_eq!(
        error["message"], "`pod/web --all` is no workload",
        "{error}"
    );
}
