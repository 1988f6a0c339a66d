//! What a key of a query has to be: as a table says it, filled in for a command.

use super::{
    permit::{KeyValue, Requirement, SelectorPattern},
    selector::Selector,
};
use crate::command::Invocation;

/// What a key has to be: `--FLAG`, `--FLAG?`, `--`, `*`, `?`, or what is written, with `{name}` for what
/// the command is about, `{hook}` for a hook of the release and `{--FLAG}` for the name in a flag.
/// Nothing where a flag is not given.
pub(super) fn requirement(
    invocation: &Invocation,
    key: &str,
    text: &str,
) -> Option<Option<Requirement>> {
    let some = |value| {
        Some(Some(Requirement {
            key: key.to_owned(),
            value,
        }))
    };
    if text == "--" {
        let words = invocation.after_dash().unwrap_or_default();
        return some(KeyValue::Each(words.to_vec()));
    }
    if let Some(flag) = text.strip_prefix("--") {
        let (flag, is_free) = match flag.strip_suffix('?') {
            Some(flag) => (flag, true),
            None => (flag, false),
        };
        return match invocation.flag(flag) {
            Some(value) if is_selector(key) => some(KeyValue::Selects(whole(value)?)),
            value if is_switch(key) => some(KeyValue::Switch(value == Some("true"))),
            Some(value) => some(KeyValue::Is(value.to_owned())),
            None if is_free => some(KeyValue::Any),
            None => Some(None),
        };
    }
    match is_selector(key) {
        true if text == "?" => some(KeyValue::Any),
        true => some(KeyValue::Selects(patterns(invocation, text))),
        false if text == "*" => some(KeyValue::Any),
        false => some(KeyValue::Is(text.to_owned())),
    }
}

/// The requirements of a selector in the table.
fn patterns(invocation: &Invocation, text: &str) -> Vec<SelectorPattern> {
    let patterns = text.split(',').map(|text| {
        if let Some((head, flag)) = text.split_once("{--") {
            let value = invocation.flag(flag.trim_end_matches('}'));
            let name = value.map(|value| value.rsplit('/').next().unwrap_or(value));
            return SelectorPattern::Is(format!("{head}{}", name.unwrap_or_default()));
        }
        if let Some(head) = text.strip_suffix("{name}") {
            return SelectorPattern::OfName {
                head: head.to_owned(),
                told: invocation.names().to_vec(),
                of: invocation.resources().to_vec(),
            };
        }
        if let Some(head) = text.strip_suffix("{hook}") {
            return SelectorPattern::OfHook(head.to_owned());
        }
        match text.strip_suffix('*') {
            Some("") => SelectorPattern::Some,
            Some(head) => SelectorPattern::Begins(head.to_owned()),
            None => SelectorPattern::Is(text.to_owned()),
        }
    });
    patterns.collect()
}

/// Every requirement of a selector that the command gives.
fn whole(selector: &str) -> Option<Vec<SelectorPattern>> {
    let selector = Selector::read(selector)?;
    let requirements = selector.requirements();
    Some(
        requirements
            .map(|it| SelectorPattern::Is(it.to_owned()))
            .collect(),
    )
}

/// Whether a key is on or off, and off where it is absent.
fn is_switch(key: &str) -> bool {
    matches!(key, "force" | "stdin" | "tty")
}

/// Whether a key selects objects.
pub(super) fn is_selector(key: &str) -> bool {
    matches!(key, "labelSelector" | "fieldSelector")
}
