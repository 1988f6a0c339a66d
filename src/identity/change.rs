//! The difference between the callers of two settings: [`CallersChange`]. Pure.

use std::collections::BTreeMap;

use super::token::KnownCaller;

/// The principals that changed, each list in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallersChange {
    /// They may call from now on.
    pub added: Vec<String>,
    /// Their tokens, groups or ends are others.
    pub changed: Vec<String>,
    /// They may not call any more.
    pub removed: Vec<String>,
}

impl CallersChange {
    /// Compares callers as they were with those that are now.
    pub(super) fn between(before: &[KnownCaller], now: &[KnownCaller]) -> Self {
        let (before, now) = (by_principal(before), by_principal(now));
        let without = |these: &BTreeMap<&str, Vec<&KnownCaller>>,
                       those: &BTreeMap<&str, Vec<&KnownCaller>>| {
            let missing = these.keys().filter(|name| !those.contains_key(*name));
            missing.map(|name| (*name).to_owned()).collect()
        };
        let changed = now
            .iter()
            .filter(|(name, callers)| before.get(*name).is_some_and(|old| old != *callers));
        Self {
            added: without(&now, &before),
            changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
            removed: without(&before, &now),
        }
    }

    /// Whether nobody changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The tables of each principal: it may have two tokens.
fn by_principal(callers: &[KnownCaller]) -> BTreeMap<&str, Vec<&KnownCaller>> {
    let mut found = BTreeMap::<&str, Vec<&KnownCaller>>::new();
    for caller in callers {
        found
            .entry(caller.principal.as_str())
            .or_default()
            .push(caller);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::TokenDigest;

    #[test]
    fn who_came_who_went_and_who_has_another_token_is_told() {
        let caller = |principal: &str, token: &str| KnownCaller {
            principal: principal.into(),
            groups: Vec::new(),
            digest: TokenDigest::of(token.as_bytes()),
            expires: None,
        };
        let before = [caller("a", "1"), caller("b", "2"), caller("c", "3")];
        let now = [
            caller("b", "2"),
            caller("b", "4"),
            caller("c", "3"),
            caller("d", "5"),
        ];
        let change = CallersChange {
            added: vec!["d".into()],
            changed: vec!["b".into()],
            removed: vec!["a".into()],
        };
        assert_eq!(CallersChange::between(&before, &now), change);
        assert!(CallersChange::between(&now, &now).is_empty());
    }
}
