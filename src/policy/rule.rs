//! One rule, one match, and which field failed to match.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::decide::Mismatch;
use crate::{
    catalogue::Tool,
    command::{Invocation, Namespace, go_duration},
};

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The command runs.
    Allow,
    /// The command runs once a person has said so.
    Confirm,
    /// The command does not run, whatever other rules say.
    Deny,
}

impl Effect {
    /// The word for a decision.
    pub fn told(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Confirm => "to be confirmed",
            Self::Deny => "denied",
        }
    }
}

/// What a command is aimed at, beyond its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The namespace of the kubeconfig's context: where a command looks that names none.
    pub namespace: String,
}

impl Default for Target {
    fn default() -> Self {
        Self { namespace: "default".into() }
    }
}

/// A rule's name and where it stands: `read-only.toml:41 no-deletes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleId {
    /// The `id` in the file.
    pub id: String,
    /// The file's name.
    pub file: String,
    /// The line of the rule.
    pub line: usize,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.id, self.file, self.line)
    }
}

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) effect: Effect,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    pub(super) tool: Tool,
    pub(super) verbs: Verbs,
    /// Canonical resources; `None` matches commands that name none as well.
    pub(super) resources: Option<Vec<String>>,
    /// Long names without dashes; `None` means no flag but the common ones.
    pub(super) flags: Vec<String>,
    pub(super) values: BTreeMap<String, Vec<Pattern>>,
    pub(super) require: Vec<String>,
    pub(super) max_operands: Option<usize>,
    /// What each operand may be called; `*` stops at a `/`, which hides a namespace in some tools.
    pub(super) names: Option<Vec<String>>,
    /// Globs of namespaces; `None` matches all of them, and commands that have none.
    pub(super) namespaces: Option<Vec<String>>,
    /// Flags that are added when they are absent.
    pub(super) inject: BTreeMap<String, String>,
}

/// Which verbs a rule is about.
#[derive(Debug)]
pub(super) enum Verbs {
    /// `["*"]`
    All,
    /// Canonical paths.
    These(Vec<String>),
}

/// What a value may be.
#[derive(Debug, PartialEq)]
pub(super) enum Pattern {
    /// A text with any number of `*`, each standing for anything.
    Glob(String),
    /// `"0..2000"`
    Integers { from: Option<i64>, to: Option<i64>, text: String },
    /// `"..60s"`
    Durations { from: Option<std::time::Duration>, to: Option<std::time::Duration>, text: String },
}

impl Pattern {
    /// Reads a pattern; a text with `..` between numbers or durations is a range.
    ///
    /// # Errors
    /// A sentence when a range is empty.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((from, to)) = text.split_once("..") else { return Ok(Self::Glob(text.to_owned())) };
        fn side<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
            if text.is_empty() { Some(None) } else { read(text).map(Some) }
        }
        let text = text.to_owned();
        if !(from.is_empty() && to.is_empty())
            && let (Some(from), Some(to)) = (side(from, |n| n.parse().ok()), side(to, |n| n.parse::<i64>().ok()))
        {
            return if from.zip(to).is_some_and(|(from, to)| from > to) {
                Err("this range is empty")
            } else {
                Ok(Self::Integers { from, to, text })
            };
        }
        if !(from.is_empty() && to.is_empty())
            && let (Some(from), Some(to)) = (side(from, go_duration), side(to, go_duration))
        {
            return if from.zip(to).is_some_and(|(from, to)| from > to) {
                Err("this range is empty")
            } else {
                Ok(Self::Durations { from, to, text })
            };
        }
        Ok(Self::Glob(text))
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Glob(glob) => glob_matches(glob, value),
            Self::Integers { from, to, .. } => {
                value.parse::<i64>().is_ok_and(|n| from.is_none_or(|from| n >= from) && to.is_none_or(|to| n <= to))
            }
            // `0` means no limit to every flag of these tools that takes a duration.
            Self::Durations { from, to, .. } => {
                go_duration(value).is_some_and(|d| !d.is_zero() && from.is_none_or(|from| d >= from) && to.is_none_or(|to| d <= to))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(text) | Self::Integers { text, .. } | Self::Durations { text, .. } => f.write_str(text),
        }
    }
}

fn glob_matches(glob: &str, value: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == value };
    let Some(mut value) = value.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match value.find(part) {
            Some(at) => value = value.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    value.ends_with(tail)
}

/// Flags that every allow rule accepts: the namespace is a typed label, and help prints help.
const COMMON: [&str; 2] = ["namespace", "help"];

impl Rule {
    pub(super) fn has_verb(&self, invocation: &Invocation) -> bool {
        self.tool == invocation.tool()
            && match &self.verbs {
                Verbs::All => true,
                Verbs::These(paths) => paths.iter().any(|path| *path == invocation.path().to_string()),
            }
    }

    /// Whether an allow rule accepts the whole command; else the first field that does not.
    pub(super) fn accepts(&self, invocation: &Invocation, target: &Target) -> Result<(), Mismatch> {
        if !self.has_verb(invocation) {
            return Err(Mismatch::Verb);
        }
        for name in &self.require {
            if invocation.flags().get(name).is_none_or(|values| values.iter().all(|value| value == "false")) {
                return Err(Mismatch::Required { flag: name.clone(), values: self.shown_values(name) });
            }
        }
        for (name, values) in invocation.flags() {
            if !self.flags.contains(name) && !COMMON.contains(&name.as_str()) {
                return Err(Mismatch::Flag { flag: name.clone() });
            }
            if let Some(patterns) = self.values.get(name) {
                for value in values {
                    if !patterns.iter().any(|pattern| pattern.matches(value)) {
                        return Err(Mismatch::Value { flag: name.clone(), value: value.as_str().into(), values: self.shown_values(name) });
                    }
                }
            }
        }
        if !invocation.is_help()
            && let Some(allowed) = &self.resources
        {
            if invocation.resources().is_empty() {
                return Err(Mismatch::NoResource);
            }
            for resource in invocation.resources() {
                if !allowed.contains(resource) {
                    return Err(Mismatch::Resource { resource: resource.clone() });
                }
            }
        }
        if invocation.after_dash().is_some() {
            return Err(Mismatch::AfterDash);
        }
        if !invocation.is_help() && !self.has_namespace(invocation, target) {
            return Err(Mismatch::Namespace);
        }
        if let (Some(names), false) = (&self.names, invocation.is_help()) {
            let named = |operand: &String| {
                names.iter().any(|name| operand.matches('/').count() == name.matches('/').count() && glob_matches(name, operand))
            };
            if let Some(operand) = invocation.operands().iter().find(|operand| !named(operand)) {
                return Err(Mismatch::Name { name: operand.as_str().into() });
            }
        }
        match self.max_operands {
            Some(most) if invocation.operands().len() > most => Err(Mismatch::Operands { most }),
            _ => Ok(()),
        }
    }

    /// Whether the command stays in the rule's namespaces.
    fn has_namespace(&self, invocation: &Invocation, target: &Target) -> bool {
        let Some(globs) = &self.namespaces else { return true };
        match invocation.namespace(&target.namespace) {
            Namespace::All => globs.iter().any(|glob| glob == "*"),
            Namespace::One(name) => globs.iter().any(|glob| glob_matches(glob, name)),
        }
    }

    /// Whether a deny rule's namespaces are touched: all of them include each.
    fn touches_namespace(&self, invocation: &Invocation, target: &Target) -> bool {
        let Some(globs) = &self.namespaces else { return true };
        match invocation.namespace(&target.namespace) {
            Namespace::All => true,
            Namespace::One(name) => globs.iter().any(|glob| glob_matches(glob, name)),
        }
    }

    /// Whether a deny rule is about this command: its verb, and any one of what it lists.
    pub(super) fn forbids(&self, invocation: &Invocation, target: &Target) -> bool {
        let flag = |name: &String| match (invocation.flags().get(name), self.values.get(name)) {
            (None, _) => false,
            (Some(values), Some(patterns)) => values.iter().any(|value| patterns.iter().any(|pattern| pattern.matches(value))),
            (Some(_), None) => true,
        };
        let resource = |allowed: &Vec<String>| invocation.resources().iter().any(|resource| allowed.contains(resource));
        self.has_verb(invocation)
            && !invocation.is_help()
            && self.touches_namespace(invocation, target)
            && self.resources.as_ref().is_none_or(resource)
            && (self.flags.is_empty() || self.flags.iter().any(flag))
    }

    fn shown_values(&self, flag: &str) -> Vec<String> {
        self.values.get(flag).map(|patterns| patterns.iter().map(Pattern::to_string).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_texts_globs_and_ranges() {
        for (pattern, value, matches) in [
            ("json", "json", true),
            ("json", "jsonpath", false),
            ("jsonpath=*", "jsonpath={.items}", true),
            ("jsonpath=*", "jsonpath-file=/x", false),
            ("0..5000", "200", true),
            ("0..5000", "5001", false),
            ("0..5000", "-1", false),
            ("..10", "-5", true),
            ("1..", "0", false),
            ("..60s", "1m", true),
            ("..60s", "61s", false),
            ("..60s", "0", false),
            ("..60s", "0s", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(value), matches, "{pattern} {value}");
        }
        assert!(Pattern::parse("9..1").is_err());
    }
}
