//! Allow rules that let more through than their author sees in them.
//!
//! Comes in: a rule, and the catalogues that say what its verbs and flags do. Goes out: advice. The
//! shipped policies and the tutorial have none of it. Held by `policy/load/tests.rs`.

use super::{
    effect::Effect,
    pattern::Pattern,
    rule::{Rule, Verbs},
};
use crate::{
    advice::Advice,
    catalogue::{Catalogue, CommandNode, FlagClass, FlagKind, VerbClass, flag_named},
    tool::OperandGrammar,
};

/// What an allow rule lets through that nobody reads in it.
pub(super) fn advice(rule: &Rule, catalogues: &[Catalogue]) -> Option<Advice> {
    let Verbs::These(paths) = &rule.verbs else {
        return None;
    };
    let catalogue = catalogues.iter().find(|one| one.tool() == rule.tool)?;
    if rule.effect != Effect::Allow {
        return None;
    }
    let mut nodes = catalogue
        .commands()
        .filter(|node| paths.contains(&node.path));
    nodes.find_map(|node| {
        shows_secrets(rule, node)
            .or_else(|| runs_anywhere(rule, node))
            .or_else(|| takes_a_bound_away(rule, catalogue, node))
            .or_else(|| changes_all_at_once(rule, node))
    })
}

fn class(node: &CommandNode) -> Option<VerbClass> {
    Some(node.hazard.as_ref()?.class)
}

/// `helm get values` prints what was given as a value, passwords too. Who lists names has thought of
/// whose.
fn shows_secrets(rule: &Rule, node: &CommandNode) -> Option<Advice> {
    (class(node)? == VerbClass::Secret && rule.names.is_none()).then(|| {
        Advice::new(
            format!(
                "`{} {}` prints credentials, or content that holds them",
                rule.tool, node.path
            ),
            "have a person confirm it (`effect = \"confirm\"`), list `names`, or leave the verb out",
        )
    })
}

/// A program in any pod is the rights of any pod.
fn runs_anywhere(rule: &Rule, node: &CommandNode) -> Option<Advice> {
    let open = rule.after_dash && rule.names.is_none() && rule.namespaces.is_none();
    (class(node)? == VerbClass::Exec && open).then(|| {
        Advice::new(
            format!(
                "`{} {}` runs programs in every pod of every namespace",
                rule.tool, node.path
            ),
            "list `namespaces`, `names`, or both",
        )
    })
}

fn changes(node: &CommandNode) -> bool {
    let class = class(node);
    matches!(class, Some(VerbClass::Destructive | VerbClass::Write))
}

/// `delete --all`, `app sync --project`: the catalogue says of such flags what is touched instead of
/// what is named. What a rule requires a flag for (`--dry-run`) is another command, and listed values
/// are a bound.
fn takes_a_bound_away(rule: &Rule, catalogue: &Catalogue, node: &CommandNode) -> Option<Advice> {
    let lineage = catalogue.lineage(&node.path)?;
    let mut loose = rule.flags.iter().filter_map(|(name, patterns)| {
        let flag = flag_named(&lineage, name)?;
        let hazard = flag.hazard.as_ref()?;
        let is_set = |pattern: &Pattern| flag.kind == FlagKind::Bool && pattern.matches("true");
        let is_open = patterns
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(is_set));
        let why = hazard.why.as_deref().unwrap_or(hazard.class.effect());
        let widens = hazard.class == FlagClass::Unbounded && why.contains("instead of");
        (widens && is_open).then_some((name, why))
    });
    let (name, why) = loose.next()?;
    (changes(node) && rule.require.is_empty()).then(|| {
        Advice::new(
            format!("--{name} of `{} {}`: {why}", rule.tool, node.path),
            "leave the flag out, list its `values`, or have a person confirm it",
        )
    })
}

/// `rollout restart deployment` restarts every deployment.
fn changes_all_at_once(rule: &Rule, node: &CommandNode) -> Option<Advice> {
    let words: Vec<&str> = node.path.words().iter().map(String::as_str).collect();
    let grammar = (rule.tool.spec().operands)(&words);
    // Other verbs want a name, `--all` or a selector.
    let takes_types_alone =
        matches!(words[..], ["rollout", _]) && matches!(grammar, OperandGrammar::Objects);
    let open = changes(node) && takes_types_alone && rule.names.is_none();
    open.then(|| {
        Advice::new(
            format!(
                "`{} {}` without a name is about all objects of a type at once",
                rule.tool, node.path
            ),
            "list `names`, or `names = [\"*\"]` so that each has to be named",
        )
    })
}
