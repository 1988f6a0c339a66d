//! What loads and is hardly meant.

use std::{ops::Range, sync::Arc};

use super::{
    effect::Effect,
    error::{PolicyError, PolicyFile},
    overlap,
    resources::Resources,
    rule::{Rule, Verbs},
    wide,
};
use crate::{
    advice::Advice,
    catalogue::{Catalogue, CommandPath},
    tool::RuleLists,
};

/// Rules of a file that never apply or say more than they seem to, each with the place of its id.
/// `known` are those of the file and of what it includes: who includes this file may well deny what
/// it allows.
pub(super) fn lints<'r>(
    file: &Arc<PolicyFile>,
    own: impl Iterator<Item = (&'r Rule, Range<usize>)>,
    known: &[&Rule],
    catalogues: &[Catalogue],
) -> Vec<PolicyError> {
    let about = |rule: &Rule| {
        always_denied(rule, known)
            .or_else(|| reads_every_resource(rule, known))
            .or_else(|| wide::advice(rule, catalogues))
            .or_else(|| overlap::advice(rule, known))
    };
    own.filter(|(rule, _)| rule.effect != Effect::Deny)
        .filter_map(|(rule, place)| {
            about(rule)
                .map(|Advice { reason, hint }| PolicyError::new(file, place, reason, Some(hint)))
        })
        .collect()
}

/// A verb of the rule that a deny rule takes away whole.
fn always_denied(rule: &Rule, known: &[&Rule]) -> Option<Advice> {
    // Who names a class means what is left of it.
    let Verbs::These(verbs) = rule.by_name.then_some(&rule.verbs)? else {
        return None;
    };
    verbs.iter().find_map(|verb| {
        let deny = known.iter().find(|deny| {
            deny.tool == rule.tool && deny.denies_all_of(verb, rule.resources.as_ref())
        })?;
        let reason = format!(
            "`{} {verb}` of this rule never runs: `{}` {} denies it",
            rule.tool,
            deny.id.id,
            deny.id.place_from(&rule.id.file)
        );
        Some(Advice::new(reason, "take the verb out of one of them"))
    })
}

/// Reading without a list of resources reads Secrets too, unless a rule denies those.
fn reads_every_resource(rule: &Rule, known: &[&Rule]) -> Option<Advice> {
    let reading = ["get", "describe"].map(|word| CommandPath::new(vec![word.to_owned()]));
    let secrets = Resources::new(vec!["secrets".to_owned()]);
    let is_denied = |verb: &CommandPath| {
        let denies =
            |deny: &&Rule| deny.tool == rule.tool && deny.denies_all_of(verb, Some(&secrets));
        known.iter().any(denies)
    };
    let mut verbs = reading.iter().filter(|verb| rule.verbs.include(verb));
    let verb = verbs.find(|verb| !is_denied(verb))?;
    let reads = rule.effect == Effect::Allow
        && rule.tool.spec().lists == RuleLists::NamesAndResources
        && rule.resources.is_none();
    (reads && rule.require.is_empty()).then(|| {
        let reason = format!(
            "this rule lets `{} {verb}` read every resource, Secrets too",
            rule.tool
        );
        Advice::new(
            reason,
            "list `resources`, for example [\"pods\", \"services\"]",
        )
    })
}
