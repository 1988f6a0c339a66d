//! The first field of a rule that a command does not fit, with what the rule accepts there, and
//! what a caller reads of it.
//!
//! Comes in: words of the command and of the rule, borrowed. Goes out: [`Advice`]. Held by the
//! snapshot of `tests/decisions/`.

use std::collections::BTreeMap;

use super::{pattern::Pattern, window::Window};
use crate::{
    advice::Advice, catalogue::CommandPath, excerpt::Excerpt, nearest::nearest, tool::Tool,
};

/// The first field of a rule that a command does not fit. `allowed` is what the rule lists.
#[derive(Debug, PartialEq)]
pub(super) enum Mismatch<'a> {
    AfterDash,
    Caller,
    Chart {
        chart: &'a str,
        allowed: Option<&'a [String]>,
    },
    Cluster {
        allowed: &'a [String],
    },
    /// The cluster has the operator's credential, and the rule names no cluster.
    NamedCluster {
        name: &'a str,
    },
    Flag {
        flag: &'a str,
        allowed: &'a BTreeMap<String, Option<Vec<Pattern>>>,
    },
    Namespace {
        allowed: Option<&'a [String]>,
    },
    /// The command reaches every namespace, and the rule some.
    Everywhere {
        allowed: &'a [String],
    },
    /// The rule is about namespaces, and what the command names is in none, or may be.
    Outside {
        resource: &'a str,
        allowed: &'a [String],
    },
    Name {
        name: &'a str,
        allowed: &'a [String],
    },
    /// The command names more objects than the rule accepts.
    Names {
        most: usize,
    },
    /// The rule is about names, and the command names nothing.
    NoName {
        allowed: &'a [String],
    },
    /// The rule is about resources, and the command names none.
    NoResource,
    /// A filter that the rule does not list.
    Filter {
        filter: &'a str,
        allowed: &'a [String],
    },
    /// A pair or an image that the rule does not list.
    Pair {
        pair: String,
        allowed: &'a [String],
    },
    /// The rule is about pairs, and the command shows none, or not all.
    NoPair {
        allowed: &'a [String],
    },
    /// The rule is about a selection by labels, and the command makes another one or none.
    Selector {
        allowed: &'a [String],
    },
    /// The rule is about projects, and the command may reach others.
    Project {
        allowed: &'a [String],
    },
    /// The rule counts at other times.
    Window {
        window: &'a Window,
    },
    Operands {
        most: usize,
    },
    /// An object that the rule does not accept: which, and the field.
    Object {
        object: String,
        why: String,
        /// How far the object got: its resource, its scope, its conditions.
        depth: u8,
    },
    /// The rule is about objects, and the command carries none.
    NoObjects,
    /// The command carries objects, and the rule is about none.
    Objects {
        first: String,
    },
    /// The rule wants a flag that the command does not have.
    Required {
        flag: &'a str,
        allowed: &'a [Pattern],
    },
    Resource {
        resource: &'a str,
        allowed: &'a [String],
    },
    Value {
        flag: &'a str,
        value: &'a str,
        allowed: &'a [Pattern],
    },
    /// The rule is about another tool or verb.
    Verb,
}

impl Mismatch<'_> {
    /// How far the match got: of two rules for one verb, the one that gets further was meant.
    pub(super) fn depth(&self) -> u8 {
        match self {
            Self::Verb => 0,
            Self::Caller => 1,
            Self::Required { .. } => 2,
            Self::Flag { .. } => 3,
            Self::Value { .. } => 4,
            Self::AfterDash => 5,
            Self::Filter { .. }
            | Self::Pair { .. }
            | Self::NoPair { .. }
            | Self::Selector { .. }
            | Self::Project { .. }
            | Self::Window { .. } => 5,
            Self::Cluster { .. } | Self::NamedCluster { .. } => 6,
            Self::NoResource => 7,
            Self::Resource { .. } => 8,
            Self::Everywhere { .. } | Self::Namespace { .. } | Self::Outside { .. } => 9,
            Self::NoName { .. } | Self::NoObjects | Self::Objects { .. } => 10,
            Self::Name { .. } | Self::Names { .. } => 11,
            Self::Object { depth, .. } => 11 + depth,
            Self::Chart { .. } => 12,
            Self::Operands { .. } => 13,
        }
    }

    /// What a caller of `tool verb` reads.
    pub(super) fn advice(&self, tool: Tool, verb: &CommandPath) -> Advice {
        match *self {
            Self::Verb => Advice::new(
                format!("no rule allows `{tool} {verb}`"),
                "ask the operator",
            ),
            Self::Required { flag, allowed } => Advice::new(
                format!("`{tool} {verb}` is allowed only with --{flag}"),
                required(flag, allowed),
            ),
            Self::Flag { flag, allowed } => Advice::new(
                format!("--{flag} is not allowed with `{tool} {verb}`"),
                allowed_flags(allowed),
            ),
            Self::Value {
                flag,
                value,
                allowed,
            } => Advice::new(
                format!("--{flag} may not be {} here", Excerpt::new(value)),
                other_value(flag, value, allowed),
            ),
            Self::Namespace { allowed } => Advice::new(
                format!("`{tool} {verb}` is not allowed in this namespace"),
                match allowed {
                    Some(allowed) => format!("allowed namespaces: {}", allowed.join(", ")),
                    None => "leave the namespace out".into(),
                },
            ),
            Self::Everywhere { allowed } => Advice::new(
                format!("`{tool} {verb}` is not allowed in all namespaces at once"),
                format!(
                    "name one with --namespace; allowed namespaces: {}",
                    allowed.join(", ")
                ),
            ),
            Self::Outside { resource, allowed } => Advice::new(
                format!(
                    "{resource} is in no namespace, or not known to be in one, and `{tool} {verb}` is allowed only inside of namespaces"
                ),
                format!(
                    "ask about what is inside of {}; for {resource}, ask the operator",
                    allowed.join(", ")
                ),
            ),
            Self::Caller => Advice::new(
                format!("`{tool} {verb}` is not allowed for this caller"),
                "ask the operator who may run it",
            ),
            Self::Cluster { allowed } => Advice::new(
                format!("`{tool} {verb}` is not allowed on this cluster"),
                format!("allowed clusters: {}", allowed.join(", ")),
            ),
            Self::NamedCluster { name } => Advice::new(
                format!(
                    "no rule opens the cluster {} for `{tool} {verb}`",
                    Excerpt::new(name)
                ),
                "send a kubeconfig of your own, or ask the operator for `clusters` or `open_clusters`",
            ),
            Self::Name { name, allowed } => Advice::new(
                format!(
                    "`{tool} {verb}` may not be asked about {}",
                    Excerpt::new(name)
                ),
                format!("allowed names: {}", allowed.join(", ")),
            ),
            Self::Names { most: 0 } => Advice::new(
                format!("`{tool} {verb}` is allowed here only without a name"),
                "leave the name out, or ask the operator",
            ),
            Self::Names { most } => Advice::new(
                format!("`{tool} {verb}` may name at most {most} here"),
                "make several calls",
            ),
            Self::Filter { filter, allowed } => Advice::new(
                format!("the output of `{tool} {verb}` may not go through {filter} here"),
                match allowed {
                    [] => "leave the filters out".into(),
                    _ => format!("allowed filters: {}", allowed.join(", ")),
                },
            ),
            Self::Pair { ref pair, allowed } => Advice::new(
                format!("`{tool} {verb}` may not write {} here", Excerpt::new(pair)),
                format!("allowed: {}", allowed.join(", ")),
            ),
            Self::NoPair { allowed } => Advice::new(
                format!("`{tool} {verb}` has to show what it writes"),
                format!("allowed: {}", allowed.join(", ")),
            ),
            Self::Selector { allowed } => Advice::new(
                format!("`{tool} {verb}` is allowed only for what a selector picks"),
                format!("give --selector one of: {}", allowed.join(", ")),
            ),
            Self::Project { allowed } => Advice::new(
                format!("`{tool} {verb}` is allowed only within a project that it names"),
                format!("give --project one of: {}", allowed.join(", ")),
            ),
            Self::Window { window } => Advice::new(
                format!("`{tool} {verb}` is not allowed at this time"),
                format!("allowed: {window}"),
            ),
            Self::Object {
                ref object,
                ref why,
                ..
            } => Advice::new(
                format!("{object}: {why}"),
                "change the object, or leave it out",
            ),
            Self::NoObjects => Advice::new(
                format!("`{tool} {verb}` is allowed here only with objects"),
                "send them as data, with `-f -`",
            ),
            Self::Objects { ref first } => Advice::new(
                format!("{first}: no rule about `{tool} {verb}` says what objects may be"),
                "ask the operator",
            ),
            Self::NoName { allowed } => Advice::new(
                format!("`{tool} {verb}` has to say what it is about"),
                format!("name one; allowed names: {}", allowed.join(", ")),
            ),
            Self::Chart { chart, allowed } => Advice::new(
                format!(
                    "`{tool} {verb}` may not read the chart {}",
                    Excerpt::new(chart)
                ),
                match allowed {
                    Some(allowed) => format!("allowed charts: {}", allowed.join(", ")),
                    None => "no chart is allowed here; ask the operator".into(),
                },
            ),
            Self::NoResource => Advice::new(
                format!("`{tool} {verb}` names no resource"),
                format!("name one, for example `{verb} pods`"),
            ),
            Self::Resource { resource, allowed } => Advice::new(
                format!("{resource} may not be used with `{tool} {verb}`"),
                allowed_resources(allowed),
            ),
            Self::AfterDash => Advice::new(
                format!("words behind `--` are not allowed with `{tool} {verb}`"),
                "leave `--` and what follows it out",
            ),
            Self::Operands { most: 0 } => Advice::new(
                format!("`{tool} {verb}` takes no arguments here"),
                "leave them out; flags stay",
            ),
            Self::Operands { most } => {
                let plural = if most == 1 { "" } else { "s" };
                Advice::new(
                    format!("`{tool} {verb}` takes at most {most} argument{plural} here"),
                    "make several calls",
                )
            }
        }
    }
}

/// The value that may have been meant, and all that there may be.
fn other_value(flag: &str, value: &str, allowed: &[Pattern]) -> String {
    let all = format!("allowed for --{flag}: {}", list(allowed));
    let texts: Vec<String> = allowed.iter().map(Pattern::to_string).collect();
    match nearest(value, texts.iter().map(String::as_str)) {
        Some(meant) if is_whole(meant) => format!("did you mean `{meant}`? {all}"),
        _ => all,
    }
}

/// Whether a pattern's text is a value itself.
fn is_whole(pattern: &str) -> bool {
    !pattern.contains('*') && !pattern.contains("..")
}

/// How a flag is added that has to be there, with all values that it may have.
fn required(flag: &str, allowed: &[Pattern]) -> String {
    let is_plain = |pattern: &&Pattern| !pattern.to_string().contains('*');
    let Some(pattern) = allowed.iter().find(is_plain).or(allowed.first()) else {
        return format!("add --{flag}");
    };
    let added = format!("add --{flag}={}", example(pattern));
    match allowed {
        [Pattern::Glob(_)] => added,
        _ => format!("{added}; allowed for --{flag}: {}", list(allowed)),
    }
}

/// A value that can be typed: the text, or the end of a range of times. No number is proposed: one that bounds what a
/// caller may ask for (a hundred replicas) is seldom what it wants.
fn example(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Glob(text) => text.clone(),
        Pattern::Integers { .. } => "NUMBER".into(),
        Pattern::Durations { text, .. } => match text.split_once("..") {
            Some((from, "")) => from.to_owned(),
            Some((_, to)) => to.to_owned(),
            None => text.clone(),
        },
    }
}

fn list(patterns: &[Pattern]) -> String {
    let texts: Vec<String> = patterns.iter().map(Pattern::to_string).collect();
    texts.join(", ")
}

fn allowed_flags(allowed: &BTreeMap<String, Option<Vec<Pattern>>>) -> String {
    let flags: Vec<String> = allowed
        .keys()
        .filter(|flag| *flag != "namespace")
        .map(|flag| format!("--{flag}"))
        .collect();
    if flags.is_empty() {
        "leave it out; only --namespace is allowed here".into()
    } else {
        format!(
            "leave it out; allowed here: --namespace, {}",
            flags.join(", ")
        )
    }
}

fn allowed_resources(allowed: &[String]) -> String {
    match allowed.split_at_checked(12) {
        Some((some, rest)) if !rest.is_empty() => {
            format!(
                "allowed here: {} and {} more; `kubectl explain` tells what a resource is",
                some.join(", "),
                rest.len()
            )
        }
        _ => format!("allowed here: {}", allowed.join(", ")),
    }
}
