//! Allow rules that another rule makes pointless: what they allow it allows, or a person is asked about.
//!
//! Comes in: the rules of a file. Goes out: advice. Holds a rule for pointless only where each of its
//! keys says so; a key that is new has to be compared here before it compiles. Held by
//! `policy/load/tests.rs`.

use super::{
    effect::Effect,
    resources::Resources,
    rule::{Rule, Subjects, Verbs},
};
use crate::advice::Advice;

/// The rule of `known` that makes an allow rule pointless.
pub(super) fn advice(rule: &Rule, known: &[&Rule]) -> Option<Advice> {
    if rule.effect != Effect::Allow {
        return None;
    }
    let others = known.iter().filter(|other| !std::ptr::eq(**other, rule));
    others
        .filter(|other| is_within(rule, other))
        .find_map(|other| {
            let (id, place) = (&other.id.id, other.id.place_from(&rule.id.file));
            match other.effect {
                Effect::Allow => Some(Advice::new(
                    format!("`{id}` {place} allows all that this rule allows"),
                    "take one of them out",
                )),
                Effect::Confirm => Some(Advice::new(
                    format!("`{id}` {place} asks a person about all that this rule allows"),
                    "take this rule out, or make the other narrower",
                )),
                Effect::Deny => None,
            }
        })
}

/// Whether `outer` accepts every command that `rule` accepts, from everybody from whom it does.
fn is_within(rule: &Rule, outer: &Rule) -> bool {
    let Rule {
        id: _,
        effect: _,
        reason: _,
        hint: _,
        tool,
        verbs,
        callers,
        clusters,
        resources,
        flags,
        flag_classes,
        require,
        max_operands,
        names,
        max_names,
        namespaces,
        charts,
        after_dash,
        inject,
        inject_piped,
        bounds,
        clamp,
        by_name: _,
        opened_clusters,
        rate,
        details,
        objects,
        beyond: _,
        examples: _,
    } = rule;
    let verbs = match (verbs, &outer.verbs) {
        (_, Verbs::All) => true,
        (Verbs::All, Verbs::These(_)) => false,
        (Verbs::These(own), Verbs::These(theirs)) => own.is_subset(theirs),
    };
    let accepted = |(name, own): (&String, &Option<Vec<_>>)| match outer.flags.get(name) {
        None => false,
        Some(None) => true,
        Some(theirs) => theirs == own,
    };
    // What is added or bounded is part of what a rule is for.
    *tool == outer.tool
        && verbs
        && of_callers(callers.as_ref(), outer.callers.as_ref())
        && of_list(clusters.as_deref(), outer.clusters.as_deref())
        && of_resources(resources.as_ref(), outer.resources.as_ref())
        && opened_clusters
            .iter()
            .all(|glob| outer.opened_clusters.contains(glob))
        && *rate == outer.rate
        && (!outer.details.narrow() || *details == outer.details)
        // Objects are accepted where they are listed, and nowhere else.
        && *objects == outer.objects
        && outer.beyond.is_none()
        && flags.iter().all(accepted)
        && flag_classes
            .iter()
            .all(|class| outer.flag_classes.contains(class))
        && outer.require.iter().all(|flag| require.contains(flag))
        && of_number(*max_operands, outer.max_operands)
        && of_list(names.as_deref(), outer.names.as_deref())
        && of_number(*max_names, outer.max_names)
        && of_list(namespaces.as_deref(), outer.namespaces.as_deref())
        && of_list(charts.as_deref(), outer.charts.as_deref())
        && (outer.after_dash || !after_dash)
        && inject.is_empty()
        && inject_piped.is_none()
        && clamp.is_empty()
        && outer.clamp.is_empty()
        && outer.inject.is_empty()
        && outer.inject_piped.is_none()
        && *bounds == outer.bounds
}

/// Whether each text of a list is one of the other; a list that is absent accepts anything.
fn of_list(own: Option<&[String]>, outer: Option<&[String]>) -> bool {
    match (own, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(outer)) => own.iter().all(|one| outer.contains(one)),
    }
}

fn of_resources(own: Option<&Resources>, outer: Option<&Resources>) -> bool {
    match (own, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(outer)) => outer.include(own),
    }
}

fn of_number(own: Option<usize>, outer: Option<usize>) -> bool {
    match (own, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(outer)) => own <= outer,
    }
}

fn of_callers(own: Option<&Subjects>, outer: Option<&Subjects>) -> bool {
    match (own, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(outer)) => {
            let principals = own.principals.iter();
            let groups = own.groups.iter();
            principals.clone().all(|one| outer.principals.contains(one))
                && groups.clone().all(|one| outer.groups.contains(one))
        }
    }
}
