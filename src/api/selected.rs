//! Whether the selectors of a list or a watch select an object: [`is_selected`].
//!
//! As k8s.io/apimachinery reads them (`pkg/labels/selector.go`, `pkg/fields/selector.go`), for objects that
//! the API server does not have. Held by `overlay/tests.rs`.

use serde_json::Value;

use super::selector::Selector;
use crate::api_request::ApiRequest;

/// Whether the selectors of a list or a watch select an object.
pub(super) fn is_selected(request: &ApiRequest, object: &Value) -> bool {
    let holds = |key: &str, get: &dyn Fn(&str) -> Option<String>| {
        request.query.get(key).is_none_or(|selector| {
            let selector = Selector::read(selector);
            selector.is_some_and(|selector| {
                selector
                    .requirements()
                    .all(|one| requirement_holds(one, get))
            })
        })
    };
    let label = |key: &str| {
        let labels = object.pointer("/metadata/labels")?;
        labels.get(key)?.as_str().map(str::to_owned)
    };
    let field = |key: &str| {
        let value = object.pointer(&format!("/{}", key.replace('.', "/")));
        Some(value.and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    holds("labelSelector", &label) && holds("fieldSelector", &field)
}

/// Whether a requirement of a selector holds, as [`Selector`] spells it.
fn requirement_holds(requirement: &str, get: &dyn Fn(&str) -> Option<String>) -> bool {
    if let Some((head, set)) = requirement.split_once(" (") {
        let values = set.trim_end_matches(')').split(',');
        let (key, operator) = head.split_once(' ').unwrap_or((head, ""));
        let has = get(key).is_some_and(|value| values.into_iter().any(|one| one == value));
        return (operator == "in") == has;
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return get(key).as_deref() != Some(value);
    }
    match (requirement.split_once('='), requirement.strip_prefix('!')) {
        (Some((key, value)), _) => get(key).as_deref() == Some(value),
        (None, Some(key)) => get(key).is_none(),
        (None, None) => get(requirement).is_some(),
    }
}
