//! [`ListEdit`]: what a command adds to a list of an object and takes out of it, where a tool sends the
//! whole list: the taints of a node, the subjects of a binding.

use serde_json::{Map, Value, json};

use crate::command::Invocation;

/// What a command adds to a list, and takes out of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListEdit {
    added: Vec<Value>,
    /// Elements that have all of these fields.
    removed: Vec<Map<String, Value>>,
}

impl ListEdit {
    /// The taints that a command sets and removes: `KEY[=VALUE]:EFFECT`, `KEY[:EFFECT]-` (kubectl
    /// pkg/cmd/taint, parseTaints). One that is set takes the place of the one with its key and effect.
    pub(super) fn of_taints(invocation: &Invocation) -> Self {
        let mut edit = Self {
            added: Vec::new(),
            removed: Vec::new(),
        };
        for pair in invocation.pairs() {
            let (text, is_removed) = match pair.strip_suffix('-') {
                Some(text) => (text, true),
                None => (pair.as_str(), false),
            };
            let (named, effect) = match text.rsplit_once(':') {
                Some((named, effect)) => (named, Some(effect)),
                None => (text, None),
            };
            let (key, value) = named.split_once('=').unwrap_or((named, ""));
            let mut taint = Map::from_iter([("key".to_owned(), json!(key))]);
            taint.extend(effect.map(|effect| ("effect".to_owned(), json!(effect))));
            edit.removed.push(taint.clone());
            if !is_removed {
                let value = Some(value).filter(|value| !value.is_empty());
                taint.extend(value.map(|value| ("value".to_owned(), json!(value))));
                edit.added.push(Value::Object(taint));
            }
        }
        edit
    }

    /// The subjects that a command adds to a binding.
    pub(super) fn of_subjects(invocation: &Invocation) -> Self {
        let elements = |flag: &str| {
            let values = invocation.flags().get(flag).into_iter().flatten();
            values.flat_map(|value| value.split(','))
        };
        let group = "rbac.authorization.k8s.io";
        let named = |kind: &'static str| move |name: &str| json!({"kind": kind, "apiGroup": group, "name": name});
        let users = elements("user").map(named("User"));
        let groups = elements("group").map(named("Group"));
        let accounts = elements("serviceaccount").filter_map(|account| {
            let (namespace, name) = account.split_once(':')?;
            Some(json!({"kind": "ServiceAccount", "namespace": namespace, "name": name}))
        });
        Self {
            added: users.chain(groups).chain(accounts).collect(),
            removed: Vec::new(),
        }
    }

    /// Whether it makes `after` of `before`.
    pub(super) fn explains(&self, before: &[Value], after: &[Value]) -> bool {
        let removes = |element: &Value| {
            let has = |(field, value): (&String, &Value)| element.get(field) == Some(value);
            self.removed.iter().any(|removed| removed.iter().all(has))
        };
        let mut is = after.iter();
        let mut was = before.iter();
        is.all(|element| before.contains(element) || self.added.contains(element))
            && was.all(|element| after.contains(element) || removes(element))
    }
}
