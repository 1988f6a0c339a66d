//! The tools as the policy in force lets a caller use them: [`offered`].
//!
//! Every model pays for each word of it in every conversation, so it says no more than what is
//! allowed here, with one example that is. Held by `tests/service/tokens.rs`.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool as McpTool, ToolAnnotations};
use serde_json::{Value, json};

use crate::{
    catalogue::CommandPath,
    gate::Gate,
    identity::Caller,
    policy::Offer,
    tool::{AccessKind, Tool},
};

/// The longest list of verbs that are allowed, in bytes: some sixty tokens. Above it, groups of verbs
/// are named by fewer of them.
const LONGEST_LIST: usize = 260;
/// The same of those that need a person.
const LONGEST_ASKED: usize = 140;

/// More clusters than this are not listed by name.
const MOST_CLUSTERS: usize = 16;

/// Returns the tools of which `caller` may use something, in the order of all tools.
pub(super) fn offered(gate: &Gate, caller: &Caller) -> Vec<McpTool> {
    let clusters = gate.clusters(caller);
    let offers = usable(gate, caller).into_iter();
    offers
        .map(|(tool, offer)| described(tool, &offer, &clusters))
        .collect()
}

/// The tools of which a caller may use something, and what.
pub(super) fn usable(gate: &Gate, caller: &Caller) -> Vec<(Tool, Offer)> {
    let mut offers = gate.offers(caller);
    offers.retain(|(_, offer)| !offer.is_empty());
    offers
}

fn described(tool: Tool, offer: &Offer, clusters: &[String]) -> McpTool {
    let schema = input_schema(tool, offer, clusters);
    let described = McpTool::new(tool.as_str(), description(tool, offer), schema);
    let annotations = ToolAnnotations::from_raw(
        None,
        Some(offer.reads_only),
        Some(!offer.reads_only),
        None,
        None,
    );
    described.with_annotations(annotations)
}

fn description(tool: Tool, offer: &Offer) -> String {
    let mut text = format!("Runs one {tool} command");
    if let Some(example) = &offer.example {
        text += &format!(", e.g. `{example}`");
    }
    text += ".";
    for (what, verbs, longest) in [
        ("Allowed", &offer.allowed, LONGEST_LIST),
        ("Only a person may", &offer.asking, LONGEST_ASKED),
    ] {
        if !verbs.is_empty() {
            text += &format!(" {what}: {}.", listed(verbs, longest));
        }
    }
    text
}

/// Verbs, those of one group together; of a group no more than there is space for.
fn listed(verbs: &[CommandPath], longest: usize) -> String {
    let groups = grouped(verbs);
    let lists = [usize::MAX, 4, 3, 2, 1].into_iter();
    let lists = lists.map(|most| of_each(&groups, most));
    let mut short = lists.filter(|list| list.len() <= longest);
    short.next().unwrap_or_else(|| of_each(&groups, 0))
}

/// Verbs, those of one group together.
pub(super) fn all_listed(verbs: &[CommandPath]) -> String {
    of_each(&grouped(verbs), usize::MAX)
}

/// The first words of verbs, and what comes behind each.
type VerbGroups<'v> = Vec<(&'v str, Vec<String>)>;

fn grouped(verbs: &[CommandPath]) -> VerbGroups<'_> {
    let mut groups = VerbGroups::new();
    for verb in verbs {
        let Some((first, rest)) = verb.words().split_first() else {
            continue;
        };
        let rest = (!rest.is_empty()).then(|| rest.join(" "));
        match groups.iter_mut().find(|(group, _)| group == first) {
            Some((_, below)) => below.extend(rest),
            None => groups.push((first, rest.into_iter().collect())),
        }
    }
    groups
}

/// Groups of verbs, of each so many at most.
fn of_each(groups: &VerbGroups<'_>, most: usize) -> String {
    let groups = groups.iter().map(|(group, below)| {
        let shown = below.get(..most).unwrap_or(below);
        let more = if shown.len() < below.len() { "…" } else { "" };
        match shown {
            [] => (*group).to_owned(),
            [one] if more.is_empty() => format!("{group} {one}"),
            shown => format!("{group} ({}{more})", shown.join(", ")),
        }
    });
    groups.collect::<Vec<_>>().join(", ")
}

/// The arguments that a model fills. The door takes more: a model has no credential to give.
fn input_schema(tool: Tool, offer: &Offer, clusters: &[String]) -> Arc<JsonObject> {
    let text = || json!({ "type": "string" });
    let mut properties = JsonObject::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add("command", text());
    if offer.reads_data {
        add(
            "stdin",
            json!({ "type": "string", "description": "read by `-f -`" }),
        );
        let files = json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": "texts by name, read by `-f NAME`" });
        add("files", files);
    }
    if tool.spec().access == AccessKind::Kubeconfig {
        add("namespace", text());
        add("context", text());
        if (1..=MOST_CLUSTERS).contains(&clusters.len()) {
            add("cluster", json!({ "type": "string", "enum": clusters }));
        } else if !clusters.is_empty() {
            add("cluster", text());
        }
        // The instructions say what it is.
        if !offer.reads_only {
            add("dry_run", json!({ "enum": ["server"] }));
        }
    }
    add(
        "timeout",
        json!({ "type": "number", "description": "seconds" }),
    );
    // The instructions say what it is.
    add("explain", json!({ "type": "boolean" }));
    let mut schema = JsonObject::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), json!(["command"]));
    schema.insert("additionalProperties".into(), false.into());
    Arc::new(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_of_a_group_stand_together_and_a_long_list_has_fewer_of_them() {
        let paths = |verbs: &[&str]| -> Vec<CommandPath> {
            let words = |verb: &&str| verb.split(' ').map(str::to_owned).collect();
            verbs
                .iter()
                .map(|verb| CommandPath::new(words(verb)))
                .collect()
        };
        let few = paths(&["get", "rollout history", "rollout status", "top pod"]);
        assert_eq!(
            listed(&few, LONGEST_LIST),
            "get, rollout (history, status), top pod"
        );
        let names: Vec<String> = (0..50).map(|at| format!("app verb-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(
            listed(&paths(&names), LONGEST_LIST),
            "app (verb-0, verb-1, verb-2, verb-3…)"
        );
    }
}
