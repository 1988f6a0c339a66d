//! When a cluster is asked what it has, and what rules say of what was found there.

use super::{Facts, Target};
use crate::{
    catalogue::{Catalogue, CustomResources},
    command::{parse_in, parse_unresolved, split},
    policy::{
        Decision,
        tests::{HEAD, load},
    },
    tool::Tool,
};

const FOUND: &str = r#"{"resources": [
    {"name": "widgets", "singularName": "widget", "namespaced": true, "kind": "Widget", "group": "example.com", "version": "v1", "shortNames": ["wd"]},
    {"name": "gadgets", "singularName": "gadget", "namespaced": false, "kind": "Gadget", "group": "example.com", "version": "v1"}
]}"#;

#[test]
fn a_cluster_is_asked_only_where_a_rule_could_allow_the_command() {
    let catalogues = Catalogue::carried().unwrap();
    let asks = |rules: &str, command: &str| {
        let policy = load(&format!("{HEAD}{rules}")).unwrap();
        let words = split(Tool::KUBECTL, command).unwrap();
        let unresolved = parse_unresolved(&catalogues[0], words, None);
        unresolved.is_some_and(|it| {
            policy
                .lookup(&it, &Target::default(), std::time::SystemTime::now())
                .is_some()
        })
    };
    let ours = "verbs = [\"get\"]\nresources = [\"widgets.example.com\"]\n";
    let denied = format!(
        "{ours}[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\n"
    );
    for (rules, command, is_asked) in [
        (ours, "get wd", true),
        (ours, "get widgets.example.com", true),
        (ours, "get widgets.v1.example.com", true),
        (ours, "get pods,wd", false),
        (ours, "get pods", false),
        (ours, "get gateways", false),
        (ours, "get all", false),
        (ours, "delete wd a", false),
        (ours, "get wd --watch", false),
        (
            "verbs = [\"get\"]\nresources = [\"pods\"]\n",
            "get wd",
            false,
        ),
        (&denied, "get wd", false),
    ] {
        assert_eq!(asks(rules, command), is_asked, "{rules} {command}");
    }
}

#[test]
fn what_a_cluster_was_found_to_have_is_judged_by_its_one_name() {
    let catalogues = Catalogue::carried().unwrap();
    let cluster = CustomResources::read(FOUND.as_bytes()).unwrap();
    let policy = load(&format!(
        "{HEAD}verbs = [\"get\"]\nresources = [\"widgets.example.com\"]\n\
         [[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nresources = [\"gadgets.example.com\"]\n"
    ))
    .unwrap();
    for (command, is_allowed) in [
        ("get wd", true),
        ("get widget.v1.example.com", true),
        ("get gadget", false),
        ("get widgets,gadgets", false),
    ] {
        let words = split(Tool::KUBECTL, command).unwrap();
        let invocation = parse_in(&catalogues[0], words, None, &cluster).unwrap();
        let decision = policy.decide(Facts::new(&invocation, &Target::default()));
        assert_eq!(
            matches!(decision, Decision::Allow(_)),
            is_allowed,
            "{command}"
        );
    }
}
