//! Rules that look narrower than they are: each loads, and its author is told what it lets through.
//!
//! Comes in: the rules of a file, and what the settings know. Goes out: a warning for each, with
//! the place of the rule. Those that can never match are errors, and are found where they are read
//! (`load/`). Held by `every_foot_gun_is_named` (`policy/tests/foot_guns.rs`).

use std::{ops::Range, sync::Arc};

use super::{
    effect::Effect,
    error::{PolicyError, PolicyFile},
    known::Known,
    pattern::Pattern,
    rule::{Rule, Verbs},
};
use crate::{
    advice::Advice,
    catalogue::{Catalogue, CommandNode, FlagClass, VerbClass},
    excerpt::Excerpt,
    glob,
    tool::{DefaultNamespace, OperandGrammar, RuleLists},
};

/// What a file's own rules let through that nobody reads in them.
pub(super) fn lints<'r>(
    file: &Arc<PolicyFile>,
    own: impl Iterator<Item = (&'r Rule, Range<usize>)>,
    catalogues: &[Catalogue],
    known: Option<&Known>,
) -> Vec<PolicyError> {
    let about = |rule: &Rule| {
        [
            half_a_host(rule),
            any_resource(rule, catalogues),
            plain_of_a_verb_that_changes(rule, catalogues),
            application_is_not_destination(rule),
            bound_by_one_name(rule, known),
        ]
    };
    own.flat_map(|(rule, place)| {
        let found = about(rule).into_iter().flatten();
        found.map(move |advice| (advice, place.clone()))
    })
    .map(|(Advice { reason, hint }, place)| PolicyError::new(file, place, reason, Some(hint)))
    .collect()
}

/// `registry.corp*` is `registry.corp.evil.example` too.
fn half_a_host(rule: &Rule) -> Option<Advice> {
    if rule.effect == Effect::Deny {
        return None;
    }
    let patterns = rule.flags.values().flatten().flatten();
    let values = patterns.filter_map(|pattern| match pattern {
        Pattern::Glob(text) => Some(text.as_str()),
        Pattern::Integers { .. } | Pattern::Durations { .. } => None,
    });
    let lists = [&rule.charts, &rule.details.pairs];
    let globs = lists.into_iter().flatten().flatten().map(String::as_str);
    let open = values.chain(globs).find(|text| ends_in_a_host(text))?;
    let reason = format!(
        "{} is every host that begins so, `{}.evil.example` too",
        Excerpt::new(open),
        open.trim_end_matches('*')
    );
    let hint = format!("end the host: `{}/*`", open.trim_end_matches('*'));
    Some(Advice::new(reason, hint))
}

/// Whether a glob ends within a host name: labels with letters at the end and no `/` behind them.
fn ends_in_a_host(glob: &str) -> bool {
    let Some(text) = glob.strip_suffix('*') else {
        return false;
    };
    let behind_key = text.rsplit_once('=').map_or(text, |(_, value)| value);
    let host = behind_key
        .split_once("://")
        .map_or(behind_key, |(_, rest)| rest);
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    labels.len() > 1
        && labels.iter().all(|label| is_label(label))
        && last.len() > 1
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The first verb of a rule that changes something, as the newest version has it.
fn changing<'c>(
    rule: &Rule,
    catalogues: &'c [Catalogue],
    is_meant: impl Fn(&CommandNode) -> bool,
) -> Option<&'c CommandNode> {
    let catalogue = catalogues.iter().find(|of| of.tool() == rule.tool)?;
    let Verbs::These(paths) = &rule.verbs else {
        return None;
    };
    catalogue.commands().find(|node| {
        let class = node.hazard.as_ref().map(|hazard| hazard.class);
        let changes = matches!(
            class,
            Some(VerbClass::Destructive | VerbClass::Exec | VerbClass::Write)
        );
        changes && paths.contains(&node.path) && is_meant(node)
    })
}

/// What an allow rule without `resources` writes may be anything.
fn any_resource(rule: &Rule, catalogues: &[Catalogue]) -> Option<Advice> {
    let open = rule.effect == Effect::Allow
        && rule.resources.is_none()
        // It is about what a manifest carries, and about no operand.
        && rule.objects.is_none()
        && rule.tool.spec().lists == RuleLists::NamesAndResources;
    // Programs have a warning of their own (`wide.rs`).
    let may_be_any = |node: &CommandNode| {
        if node
            .hazard
            .as_ref()
            .is_some_and(|hazard| hazard.class == VerbClass::Exec)
        {
            return false;
        }
        let words: Vec<&str> = node.path.words().iter().map(String::as_str).collect();
        matches!(
            (rule.tool.spec().operands)(&words),
            OperandGrammar::Objects
                | OperandGrammar::ObjectsAndPairs(_)
                | OperandGrammar::ObjectsAndWord
                | OperandGrammar::ObjectOf(..)
        )
    };
    let node = open.then(|| changing(rule, catalogues, may_be_any))??;
    let reason = format!(
        "this rule lets `{} {}` change every resource, ClusterRoles and Secrets too",
        rule.tool, node.path
    );
    let hint = "list `resources`, for example [\"deployments.apps\"]";
    Some(Advice::new(reason, hint))
}

/// `@plain` does no harm beyond the verb's own, which may be all that there is.
fn plain_of_a_verb_that_changes(rule: &Rule, catalogues: &[Catalogue]) -> Option<Advice> {
    let open = rule.effect == Effect::Allow
        && rule.flag_classes.contains(&FlagClass::Plain)
        && rule.details.pairs.is_none();
    let node = open.then(|| changing(rule, catalogues, |_| true))??;
    let why = node
        .hazard
        .as_ref()
        .and_then(|hazard| hazard.why.as_deref());
    let reason = format!(
        "`@plain` is every flag that does no harm beyond the verb's own, and `{} {}` {}",
        rule.tool,
        node.path,
        why.unwrap_or("changes objects")
    );
    Some(Advice::new(
        reason,
        "list the flags that are meant, and what `values` and `pairs` they may have",
    ))
}

/// An Application lives in one namespace and deploys into another.
fn application_is_not_destination(rule: &Rule) -> Option<Advice> {
    let DefaultNamespace::Own(own) = rule.tool.spec().namespace else {
        return None;
    };
    let namespaces = rule.namespaces.as_ref()?;
    let meant =
        rule.effect != Effect::Deny || namespaces.iter().any(|glob| glob::matches(glob, own));
    (!meant).then(|| {
        Advice::new(
            format!(
                "`namespaces` is where the Application itself lives: one in `{own}` deploys into {} as before",
                namespaces.join(", ")
            ),
            "list in the allow rules the `names` or `projects` that are meant",
        )
    })
}

/// A cluster without a certificate authority of its own has nothing but its name.
fn bound_by_one_name(rule: &Rule, known: Option<&Known>) -> Option<Advice> {
    let known = known.filter(|known| rule.effect != Effect::Allow && known.own_kubeconfigs)?;
    let globs = rule.clusters.as_ref()?;
    let is_meant = |name: &str| globs.iter().any(|glob| glob::matches(glob, name));
    let mut meant = known
        .clusters
        .iter()
        .filter(|cluster| is_meant(&cluster.name));
    let loose = meant.find(|cluster| known.unverified || !cluster.has_authority)?;
    let why = match loose.has_authority {
        false => "its kubeconfig names no certificate authority",
        true => "`allow_insecure_skip_tls_verify` is set",
    };
    Some(Advice::new(
        format!(
            "this rule binds `{}` by host and port alone, and not by its other names and addresses: {why}",
            loose.name
        ),
        "name in the allow rules the clusters that are meant, or set `own = false` under [kubeconfig]",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_that_ends_within_a_host_is_seen() {
        for (glob, open) in [
            ("registry.corp*", true),
            ("*=registry.corp*", true),
            ("oci://charts.example.com*", true),
            ("registry.corp/*", false),
            ("v1.2*", false),
            ("*", false),
            ("jsonpath=*", false),
            ("web*", false),
        ] {
            assert_eq!(ends_in_a_host(glob), open, "{glob}");
        }
    }
}
