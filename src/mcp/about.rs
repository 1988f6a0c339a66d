//! What the server says of itself, in short: [`policy`], [`status`] and [`verb`].
//!
//! Each is true for the caller that asks, and says no more than `explain` would tell it.

use super::tools::{all_listed, usable};
use crate::{
    catalogue::{CommandNode, Flag, flags_in_scope},
    gate::{Confinement, Gate},
    identity::Caller,
    inventory::FoundProgram,
    tool::Tool,
};

/// Says what a caller may do, by tool.
pub(super) fn policy(gate: &Gate, caller: &Caller) -> String {
    let mut text = format!("What {} may do here:\n", caller.principal());
    let mut unusable = Vec::new();
    for (tool, offer) in gate.offers(caller) {
        if offer.is_empty() {
            unusable.push(tool.as_str());
            continue;
        }
        let reads = if offer.reads_only {
            " (it only reads)"
        } else {
            ""
        };
        text += &format!("{tool}{reads}\n");
        for (what, verbs) in [
            ("allowed", &offer.allowed),
            ("only once a person has confirmed it", &offer.asking),
        ] {
            if !verbs.is_empty() {
                text += &format!("  {what}: {}\n", all_listed(verbs));
            }
        }
        if let Some(example) = &offer.example {
            text += &format!("  e.g. `{example}`\n");
        }
    }
    if !unusable.is_empty() {
        text += &format!("nothing of {}\n", unusable.join(", "));
    }
    let clusters = gate.clusters(caller);
    if !clusters.is_empty() {
        text += &format!("clusters: {}\n", clusters.join(", "));
    }
    text += "Rules also look at resources, namespaces and flags: `explain: true` asks about one command.\n";
    text
}

/// Says which tools are here, and what confines them.
pub(super) fn status(gate: &Gate) -> String {
    let mut text = String::new();
    for tool in Tool::all() {
        let found = FoundProgram::Tool(tool, gate.inventory().availability(tool));
        let version = found.version().map(|version| format!(" {version}"));
        text += &format!("{tool}{}: {}", version.unwrap_or_default(), found.state());
        if let Some(judging) = gate
            .judging(tool)
            .and_then(|judging| serde_json::to_value(judging).ok())
        {
            text += &format!(
                ", API requests judged: {}",
                judging.as_str().unwrap_or_default()
            );
        }
        text.push('\n');
    }
    let sandbox = Confinement::of(&gate.sandbox().layers());
    for (what, layers) in [
        ("enforced", sandbox.enforced),
        ("in part", sandbox.partial),
        ("missing", sandbox.missing),
    ] {
        if !layers.is_empty() {
            text += &format!("layers {what}: {}\n", layers.join(", "));
        }
    }
    let missing = gate.missing().unwrap_or_else(|| "calls run".to_owned());
    text + &missing + "\n"
}

/// Says what a verb does and takes; none of a tool or a verb that there is not for this caller.
pub(super) fn verb(gate: &Gate, caller: &Caller, tool: &str, words: &[String]) -> Option<String> {
    let tool: Tool = tool.parse().ok()?;
    let catalogue = gate.inventory().expected(tool)?;
    let mut offers = usable(gate, caller).into_iter();
    let (_, offer) = offers.find(|(offered, _)| *offered == tool)?;
    let mut lineage = vec![catalogue.root()];
    for word in words {
        lineage.push(lineage.last()?.child(word)?);
    }
    let node = lineage
        .last()
        .filter(|node| !node.path.words().is_empty())?;
    let mut text = format!("{tool} {} ({tool} {})", node.path, catalogue.version());
    if let Some(hazard) = &node.hazard {
        text += &format!(": {}", hazard.class.effect());
    }
    let may = match (
        offer.allowed.contains(&node.path),
        offer.asking.contains(&node.path),
    ) {
        (true, _) => "you may use it, as the rules let resources, namespaces and flags",
        (_, true) => "a person has to confirm it",
        (false, false) if !node.children.is_empty() => "it is a group of verbs",
        (false, false) => "you may not use it",
    };
    text += &format!("\n{may}\n");
    if !node.aliases.is_empty() {
        text += &format!("also called: {}\n", node.aliases.join(", "));
    }
    let below = node.children.iter().filter(|child| !child.hidden);
    let below: Vec<&str> = below.map(CommandNode::name).collect();
    if !below.is_empty() {
        text += &format!("verbs below it: {}\n", below.join(", "));
    }
    let flags = flags_in_scope(&lineage).filter(|flag| !flag.hidden && flag.never(None).is_none());
    let flags: Vec<String> = flags.map(shown).collect();
    if !flags.is_empty() {
        text += &format!("flags that a rule may allow: {}\n", flags.join(", "));
    }
    Some(text)
}

fn shown(flag: &Flag) -> String {
    match flag.shorthand {
        Some(letter) => format!("--{} (-{letter})", flag.name),
        None => format!("--{}", flag.name),
    }
}
