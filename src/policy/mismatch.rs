//! The first field of a rule that a command does not fit, and what a caller reads of it.

use super::rule::Rule;
use crate::{advice::Advice, excerpt::Excerpt};

/// The first field of a rule that a command does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// Words behind `--`.
    AfterDash,
    /// Another caller than the rule's.
    Caller,
    /// A chart that the rule does not list.
    Chart {
        /// The chart.
        chart: Excerpt,
    },
    /// Another cluster than the rule's.
    Cluster,
    /// A flag that the rule does not list.
    Flag {
        /// The flag.
        flag: String,
    },
    /// Another namespace than the rule's.
    Namespace,
    /// A name that the rule does not list.
    Name {
        /// The name.
        name: Excerpt,
    },
    /// More names than the rule accepts.
    Names {
        /// The most that it accepts.
        most: usize,
    },
    /// A rule about names, and a command that names nothing.
    NoName,
    /// A resource rule, and a command that names no resource.
    NoResource,
    /// Too many operands.
    Operands {
        /// The most that the rule accepts.
        most: usize,
    },
    /// A flag that the rule requires.
    Required {
        /// The flag.
        flag: String,
        /// Its accepted values, when they are listed.
        values: Vec<String>,
    },
    /// A resource that the rule does not list.
    Resource {
        /// The resource.
        resource: String,
    },
    /// A value that the rule does not accept.
    Value {
        /// The flag.
        flag: String,
        /// The value.
        value: Excerpt,
        /// The accepted values.
        values: Vec<String>,
    },
    /// Another tool or verb.
    Verb,
}

impl Mismatch {
    /// How far the match got.
    pub(super) fn depth(&self) -> u8 {
        match self {
            Self::Verb => 0,
            Self::Caller => 1,
            Self::Required { .. } => 2,
            Self::Flag { .. } => 3,
            Self::Value { .. } => 4,
            Self::AfterDash => 5,
            Self::Cluster => 6,
            Self::NoResource => 7,
            Self::Resource { .. } => 8,
            Self::Namespace => 9,
            Self::NoName => 10,
            Self::Name { .. } => 11,
            Self::Names { .. } => 11,
            Self::Chart { .. } => 12,
            Self::Operands { .. } => 13,
        }
    }

    /// What a caller reads of it.
    pub(super) fn advice(&self, verb: &str, rule: &Rule) -> Advice {
        let tool = rule.tool;
        match self {
            Self::Verb => Advice::new(
                format!("no rule allows `{tool} {verb}`"),
                "ask the operator",
            ),
            Self::Required { flag, values } if values.is_empty() => Advice::new(
                format!("`{tool} {verb}` is allowed only with --{flag}"),
                format!("add --{flag}"),
            ),
            Self::Required { flag, values } => Advice::new(
                format!("`{tool} {verb}` is allowed only with --{flag}"),
                format!("add --{flag}={}", example(values)),
            ),
            Self::Flag { flag } => Advice::new(
                format!("--{flag} is not allowed with `{tool} {verb}`"),
                allowed_flags(rule),
            ),
            Self::Value {
                flag,
                value,
                values,
            } => Advice::new(
                format!("--{flag} may not be {value} here"),
                format!("allowed for --{flag}: {}", values.join(", ")),
            ),
            Self::Namespace => Advice::new(
                format!("`{tool} {verb}` is not allowed in this namespace"),
                match &rule.namespaces {
                    Some(namespaces) => format!("allowed namespaces: {}", namespaces.join(", ")),
                    None => "leave the namespace out".into(),
                },
            ),
            Self::Caller => Advice::new(
                format!("`{tool} {verb}` is not allowed for this caller"),
                "ask the operator who may run it",
            ),
            Self::Cluster => Advice::new(
                format!("`{tool} {verb}` is not allowed on this cluster"),
                format!(
                    "allowed clusters: {}",
                    rule.clusters.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Name { name } => Advice::new(
                format!("`{tool} {verb}` may not be asked about {name}"),
                format!(
                    "allowed names: {}",
                    rule.names.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Names { most: 0 } => Advice::new(
                format!("`{tool} {verb}` is allowed here only without a name"),
                "leave the name out, or ask the operator",
            ),
            Self::Names { most } => Advice::new(
                format!("`{tool} {verb}` may name at most {most} here"),
                "make several calls",
            ),
            Self::NoName => Advice::new(
                format!("`{tool} {verb}` has to say what it is about"),
                format!(
                    "name one; allowed names: {}",
                    rule.names.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Chart { chart } => Advice::new(
                format!("`{tool} {verb}` may not read the chart {chart}"),
                match &rule.charts {
                    Some(charts) => format!("allowed charts: {}", charts.join(", ")),
                    None => "no chart is allowed here; ask the operator".into(),
                },
            ),
            Self::NoResource => Advice::new(
                format!("`{tool} {verb}` names no resource"),
                format!("name one, for example `{verb} pods`"),
            ),
            Self::Resource { resource } => Advice::new(
                format!("{resource} may not be used with `{tool} {verb}`"),
                allowed_resources(rule),
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
                let plural = if *most == 1 { "" } else { "s" };
                Advice::new(
                    format!("`{tool} {verb}` takes at most {most} argument{plural} here"),
                    "make several calls",
                )
            }
        }
    }
}

/// A value that can be typed, for the first pattern: the end of a range, or the text.
fn example(values: &[String]) -> &str {
    let first = values.first().map_or("", String::as_str);
    first
        .split_once("..")
        .map_or(first, |(from, to)| if to.is_empty() { from } else { to })
}

fn allowed_flags(rule: &Rule) -> String {
    let flags: Vec<String> = rule
        .flags
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

fn allowed_resources(rule: &Rule) -> String {
    let resources = rule.resources.as_deref().unwrap_or_default();
    match resources.split_at_checked(12) {
        Some((some, rest)) if !rest.is_empty() => {
            format!(
                "allowed here: {} and {} more; `kubectl explain` tells what a resource is",
                some.join(", "),
                rest.len()
            )
        }
        _ => format!("allowed here: {}", resources.join(", ")),
    }
}
