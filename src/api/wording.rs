//! A [`super::permit::Permit`] as a line that people read: `get, list pods in namespace web`.

use super::{
    ask::AskedVerb,
    permit::{
        ApiPlaces, KeyValue, ObjectNames, Requirement, ResourcePermit, SelectorPattern, What,
    },
    writing::BodyRule,
};
use crate::api_request::ApiVerb;

/// The line of a permit.
pub(super) fn text(
    verbs: &[AskedVerb],
    what: &What,
    query: &[Requirement],
    body: &BodyRule,
) -> String {
    let words: Vec<String> = verbs.iter().map(|asked| asked.word()).collect();
    let words = words.join(", ");
    let what = match what {
        What::Path(path) => path.clone(),
        What::Request(request) => request.target(),
        What::Objects {
            are_hooks,
            subresource,
        } => objects(*are_hooks, subresource.as_deref()),
        What::Resource(permit) => resource(permit, collects(verbs)),
    };
    let query: Vec<String> = query.iter().filter_map(requirement).collect();
    let asked = match query.as_slice() {
        [] => format!("{words} {what}"),
        query => format!("{words} {what} with {}", query.join(" and ")),
    };
    match changed(body) {
        Some(changed) if verbs == [AskedVerb::Verb(ApiVerb::Delete)] => {
            format!("{asked}, with options {changed}")
        }
        Some(changed) => format!("{asked}, changing {changed}"),
        None => asked,
    }
}

/// What a body changes; nothing where it may be any.
fn changed(body: &BodyRule) -> Option<String> {
    match body {
        BodyRule::Any | BodyRule::Unwritten => None,
        BodyRule::Changes(changes) if changes.is_empty() => Some("nothing but its name".into()),
        BodyRule::Changes(changes) => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            Some(changes.join(", "))
        }
        BodyRule::Manifest(_) => Some("what the manifest says".into()),
        BodyRule::Patch(..) => Some("what its patch says".into()),
    }
}

fn collects(verbs: &[AskedVerb]) -> bool {
    let collects =
        |asked: &AskedVerb| matches!(asked, AskedVerb::Verb(ApiVerb::List | ApiVerb::Watch));
    verbs.iter().any(collects)
}

fn objects(are_hooks: bool, subresource: Option<&str>) -> String {
    let of = match are_hooks {
        true => "the hooks of the release",
        false => "what the release holds",
    };
    match subresource {
        Some(subresource) => format!("{of} (/{subresource})"),
        None => of.to_owned(),
    }
}

fn resource(permit: &ResourcePermit, collects: bool) -> String {
    let mut text = permit.resource.clone();
    if let Some(subresource) = &permit.subresource {
        text.push('/');
        text.push_str(subresource);
    }
    // A whole collection is more than those of it that have names.
    let of_names = match collects && permit.names.every {
        true => None,
        false => names(&permit.names),
    };
    for part in [of_names, places(&permit.places)].into_iter().flatten() {
        text.push(' ');
        text.push_str(&part);
    }
    text
}

fn names(names: &ObjectNames) -> Option<String> {
    let mut parts = Vec::new();
    if !names.told.is_empty() {
        parts.push(names.told.join(", "));
    }
    match &names.seen {
        Some(beginnings) if beginnings.is_empty() => {
            parts.push("(those that its answers name)".into());
        }
        Some(beginnings) => parts.push(format!(
            "(those that its answers name and that begin with {})",
            beginnings.join(" or ")
        )),
        None => {}
    }
    if !names.alike.is_empty() {
        parts.push(format!(
            "(called like {} of its answers)",
            names.alike.join(", ")
        ));
    }
    if names.any {
        parts.push("(any one)".into());
    }
    (!parts.is_empty()).then(|| parts.join(" or "))
}

fn places(places: &ApiPlaces) -> Option<String> {
    if places.across || places.any {
        return Some(match places.across {
            true => "in all namespaces".into(),
            false => "in any namespace".into(),
        });
    }
    match places.these.as_slice() {
        [] => None,
        [one] => Some(format!("in namespace {one}")),
        these => Some(format!("in namespaces {}", these.join(", "))),
    }
}

fn requirement(requirement: &Requirement) -> Option<String> {
    let key = &requirement.key;
    Some(match &requirement.value {
        KeyValue::Is(value) => format!("{key}={value}"),
        KeyValue::Each(words) => format!("{key}={}", words.join(" ")),
        KeyValue::Selects(patterns) => {
            let patterns: Vec<String> = patterns.iter().map(pattern).collect();
            format!("{key} {}", patterns.join(","))
        }
        // They narrow nothing.
        KeyValue::Any | KeyValue::Switch(_) => return None,
    })
}

fn pattern(pattern: &SelectorPattern) -> String {
    match pattern {
        SelectorPattern::Is(this) => this.clone(),
        SelectorPattern::Some => "(any)".into(),
        SelectorPattern::Begins(head) => format!("{head}(any)"),
        SelectorPattern::OfHook(head) => format!("{head}(a hook of the release)"),
        SelectorPattern::OfName { head, told, .. } if told.is_empty() => {
            format!("{head}(one that its answers name)")
        }
        SelectorPattern::OfName { head, told, .. } => format!("{head}{}", told.join(" or ")),
    }
}
