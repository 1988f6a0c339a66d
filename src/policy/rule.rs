//! One rule, one match, and which field failed to match.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    num::NonZeroU64,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{facts::Facts, mismatch::Mismatch, pattern::Pattern, target::Target};
use crate::{
    advice::Advice,
    catalogue::{CommandPath, FlagClass, resource},
    command::{Invocation, Namespaces},
    glob,
    tool::{DefaultNamespace, Tool},
};

/// What a rule says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
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
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
        }
    }

    /// The word for a decision.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Confirm => "to be confirmed",
            Self::Deny => "denied",
        }
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

impl RuleId {
    /// Where the rule stands, for a reader of `file`.
    pub(super) fn place_from(&self, file: &str) -> String {
        match self.file == file {
            true => format!("on line {}", self.line),
            false => format!("on line {} of {}", self.line, self.file),
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.id, self.file, self.line)
    }
}

/// RuleBounds of a call that are tighter than the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleBounds {
    /// The longest that the call may take.
    pub timeout: Option<Duration>,
    /// The most text of each stream that the caller gets, in bytes.
    pub max_output_bytes: Option<usize>,
    /// The most lines of each stream; with the last one the command is ended.
    pub max_lines: Option<NonZeroU64>,
}

impl RuleBounds {
    /// The tighter of each.
    pub(super) fn and(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            timeout: least(self.timeout, other.timeout),
            max_output_bytes: least(self.max_output_bytes, other.max_output_bytes),
            max_lines: least(self.max_lines, other.max_lines),
        }
    }
}

/// A compiled rule. A list that is absent accepts anything.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) effect: Effect,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    pub(super) tool: Tool,
    pub(super) verbs: Verbs,
    /// Globs of principals and of groups: one of either has to match.
    pub(super) callers: Option<Subjects>,
    /// Globs of clusters; a command that contacts none is in none.
    pub(super) clusters: Option<Vec<String>>,
    /// Canonical resources.
    pub(super) resources: Option<Vec<String>>,
    /// Long names without dashes, each with its accepted values. Other flags than these and the
    /// common ones are not accepted.
    pub(super) flags: BTreeMap<String, Option<Vec<Pattern>>>,
    /// Classes of flags, as each verb has them.
    pub(super) flag_classes: Vec<FlagClass>,
    pub(super) require: Vec<String>,
    pub(super) max_operands: Option<usize>,
    /// Globs of object names.
    pub(super) names: Option<Vec<String>>,
    pub(super) max_names: Option<usize>,
    /// Globs of namespaces.
    pub(super) namespaces: Option<Vec<String>>,
    /// Globs of charts.
    pub(super) charts: Option<Vec<String>>,
    /// Whether words may follow `--`.
    pub(super) after_dash: bool,
    /// Flags that are added when they are absent.
    pub(super) inject: BTreeMap<String, Injected>,
    /// What is added instead where a filter reads the output.
    pub(super) inject_piped: Option<BTreeMap<String, Injected>>,
    /// Flags whose value is brought down to the end of its range where it is above it.
    pub(super) clamp: BTreeSet<String>,
    pub(super) bounds: RuleBounds,
}

/// What a rule gives a flag that is absent.
#[derive(Debug)]
pub(super) struct Injected {
    pub(super) value: String,
    /// The flag's class, which may be another with each verb.
    pub(super) classes: BTreeMap<CommandPath, FlagClass>,
}

/// Which verbs a rule is about.
#[derive(Debug)]
pub(super) enum Verbs {
    /// `["*"]`
    All,
    /// Canonical paths.
    These(BTreeSet<CommandPath>),
}

impl Verbs {
    pub(super) fn include(&self, verb: &CommandPath) -> bool {
        match self {
            Self::All => true,
            Self::These(paths) => paths.contains(verb),
        }
    }
}

/// Whom a rule is about.
#[derive(Debug)]
pub(super) struct Subjects {
    pub(super) principals: Vec<String>,
    pub(super) groups: Vec<String>,
}

impl Subjects {
    fn include(&self, target: &Target) -> bool {
        one_of(&self.principals, &target.principal)
            || target
                .groups
                .iter()
                .any(|group| one_of(&self.groups, group))
    }
}

fn one_of(globs: &[String], value: &str) -> bool {
    globs.iter().any(|glob| glob::matches(glob, value))
}

/// Whether a custom resource may be one of `listed` under its singular or short name: it is of the
/// group of one of them, and what a group holds is not known.
fn is_beside(custom: &str, listed: &[String]) -> bool {
    let group = |name: &str| name.split_once('.').map(|(_, group)| group.to_owned());
    listed.iter().any(|name| group(name) == group(custom))
}

/// Whether a resource is listed; one that only the cluster can tell may be any custom one.
fn may_be_listed(listed: &[String], name: &String, invocation: &Invocation) -> bool {
    let is_custom = |entry: &String| !resource::is_canonical(entry);
    listed.contains(name) || invocation.assumes(name) && listed.iter().any(is_custom)
}

/// Whether a resource is one that a deny rule lists, or may be. What the cluster was found to have
/// is called so; what only it can tell is not denied before.
fn may_be_denied(denied: &[String], name: &String, invocation: &Invocation) -> bool {
    if invocation.assumes(name) {
        return false;
    }
    let is_plain = resource::is_canonical(name) || invocation.has_found(name);
    denied.contains(name) || !is_plain && is_beside(name, denied)
}

/// Flags that every allow rule accepts: the namespace is a typed label, and help prints help.
const COMMON: [&str; 2] = ["namespace", "help"];

impl Rule {
    /// The flags that it adds to this call when they are absent.
    pub(super) fn adds(&self, facts: Facts<'_>) -> &BTreeMap<String, Injected> {
        let piped = self.inject_piped.as_ref().filter(|_| facts.is_piped);
        piped.unwrap_or(&self.inject)
    }

    /// The rule's own reason and hint; `hint` where it has none.
    pub(super) fn advice(&self, hint: &str) -> Advice {
        Advice::new(&self.reason, self.hint.as_deref().unwrap_or(hint))
    }

    pub(super) fn has_verb(&self, invocation: &Invocation) -> bool {
        self.tool == invocation.tool() && self.verbs.include(invocation.path())
    }

    /// Whether an allow rule accepts the whole command; else the first field that does not.
    pub(super) fn accepts<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        let Facts {
            invocation, target, ..
        } = facts;
        if !self.has_verb(invocation) {
            return Err(Mismatch::Verb);
        }
        if self
            .callers
            .as_ref()
            .is_some_and(|callers| !callers.include(target))
        {
            return Err(Mismatch::Caller);
        }
        for name in &self.require {
            if invocation
                .flags()
                .get(name)
                .is_none_or(|values| values.iter().all(|value| value == "false"))
            {
                let patterns = self.flags.get(name).and_then(Option::as_deref);
                return Err(Mismatch::Required {
                    flag: name,
                    allowed: patterns.unwrap_or_default(),
                });
            }
        }
        let packed = invocation.tool().spec().packed_flags;
        for (name, values) in invocation.flags() {
            let patterns = match self.flags.get(name) {
                Some(Some(patterns)) => patterns,
                Some(None) => continue,
                None if COMMON.contains(&name.as_str()) || self.has_class_of(invocation, name) => {
                    continue;
                }
                None => {
                    return Err(Mismatch::Flag {
                        flag: name,
                        allowed: &self.flags,
                    });
                }
            };
            for value in values {
                let hides_more = packed.is_some_and(|packed| name.starts_with(packed))
                    && value.contains([',', '{', '[']);
                let may_be_less = facts.brings_down() && self.clamped(name, value).is_some();
                let accepts = patterns.iter().any(|pattern| pattern.matches(value)) || may_be_less;
                if hides_more || !accepts {
                    return Err(Mismatch::Value {
                        flag: name,
                        value,
                        allowed: patterns,
                    });
                }
            }
        }
        if invocation.after_dash().is_some() && !self.after_dash {
            return Err(Mismatch::AfterDash);
        }
        if !invocation.is_help() {
            self.accepts_target(facts)?;
        }
        match self.max_operands {
            Some(most) if invocation.operands().len() > most => Err(Mismatch::Operands { most }),
            _ => Ok(()),
        }
    }

    /// What the rule makes of a value that is above all that it accepts.
    fn clamped(&self, flag: &str, value: &str) -> Option<&str> {
        let patterns = self.flags.get(flag)?.as_deref()?;
        if !self.clamp.contains(flag) || patterns.iter().any(|pattern| pattern.matches(value)) {
            return None;
        }
        patterns
            .iter()
            .find_map(|pattern| pattern.most_below(value))
    }

    /// The flags of a command whose value the rule brings down, with what it makes of it.
    pub(super) fn clamps<'a>(
        &'a self,
        invocation: &'a Invocation,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.clamp.iter().filter_map(|flag| {
            let value = self.clamped(flag, invocation.flag(flag)?)?;
            Some((flag.as_str(), value))
        })
    }

    /// How near the rule is to what the command is aimed at, whatever its flags: meant for another
    /// caller or cluster, for other objects, or for these.
    pub(super) fn aim(&self, facts: Facts<'_>) -> u8 {
        if facts.invocation.is_help() {
            return 2;
        }
        match self.accepts_target(facts) {
            Err(Mismatch::Cluster { .. }) => 0,
            Err(_) => 1,
            Ok(()) => 2,
        }
    }

    /// Whether the rule lets this caller do anything at all on this cluster.
    pub(super) fn reaches(&self, target: &Target) -> bool {
        self.effect != Effect::Deny
            && self
                .callers
                .as_ref()
                .is_none_or(|callers| callers.include(target))
            && self
                .clusters
                .as_ref()
                .is_none_or(|globs| target.cluster.iter().any(|name| one_of(globs, name)))
    }

    /// What the command is aimed at; help is aimed at nothing.
    fn accepts_target<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        let Facts {
            invocation, target, ..
        } = facts;
        if let Some(allowed) = &self.clusters
            && !target.cluster.iter().any(|name| one_of(allowed, name))
        {
            return Err(Mismatch::Cluster { allowed });
        }
        if let Some(allowed) = &self.resources {
            if invocation.resources().is_empty() {
                return Err(Mismatch::NoResource);
            }
            if let Some(resource) = invocation
                .resources()
                .iter()
                .find(|resource| !may_be_listed(allowed, resource, invocation))
            {
                return Err(Mismatch::Resource { resource, allowed });
            }
        }
        if !self.has_namespaces(facts) {
            return Err(self.wrong_namespace(facts));
        }
        if let Some(allowed) = &self.names {
            if invocation.names().is_empty() {
                return Err(Mismatch::NoName { allowed });
            }
            let other = |name: &&String| !one_of(allowed, name);
            if let Some(name) = invocation.names().iter().find(other) {
                return Err(Mismatch::Name { name, allowed });
            }
        }
        if let (Some(most), named) = (self.max_names, invocation.names().len())
            && named > most
        {
            return Err(Mismatch::Names { most });
        }
        // Reading a chart runs its templates: no rule means any chart by saying nothing.
        let allowed = |chart: &String| {
            self.charts
                .as_ref()
                .is_some_and(|globs| globs.iter().any(|glob| glob::matches_path(glob, chart)))
        };
        match invocation.charts().iter().find(|chart| !allowed(chart)) {
            Some(chart) => Err(Mismatch::Chart {
                chart,
                allowed: self.charts.as_deref(),
            }),
            None => Ok(()),
        }
    }

    /// Whether the command stays in the rule's namespaces.
    fn has_namespaces(&self, facts: Facts<'_>) -> bool {
        let Facts {
            invocation, target, ..
        } = facts;
        match (&self.namespaces, invocation.namespaces(&target.namespace)) {
            // Another namespace than Argo CD's own is somebody else's applications.
            (None, Namespaces::These(named)) => match self.tool.spec().namespace {
                DefaultNamespace::OfContext => true,
                DefaultNamespace::Own(own) => named.iter().all(|name| *name == own),
            },
            (None, Namespaces::All) => true,
            (Some(globs), Namespaces::All) => {
                globs.iter().any(|glob| glob == "*") && !self.leaves_namespaces(invocation)
            }
            (Some(globs), Namespaces::These(named)) => {
                named.iter().all(|name| one_of(globs, name)) && !self.leaves_namespaces(invocation)
            }
        }
    }

    /// What of the command leaves the rule's namespaces.
    fn wrong_namespace<'a>(&'a self, facts: Facts<'a>) -> Mismatch<'a> {
        let Facts {
            invocation, target, ..
        } = facts;
        let Some(allowed) = self.namespaces.as_deref() else {
            return Mismatch::Namespace { allowed: None };
        };
        let mut resources = invocation.resources().iter();
        let outside = resources.find(|resource| !resource::is_namespaced(resource));
        match (outside, invocation.namespaces(&target.namespace)) {
            (Some(resource), _)
                if self.resources.is_none() || resource::is_cluster_scoped(resource) =>
            {
                Mismatch::Outside { resource, allowed }
            }
            (_, Namespaces::All) => Mismatch::Everywhere { allowed },
            (_, Namespaces::These(_)) => Mismatch::Namespace {
                allowed: Some(allowed),
            },
        }
    }

    /// A rule about namespaces is not about what lives outside of them, unless it lists that by name.
    fn leaves_namespaces(&self, invocation: &Invocation) -> bool {
        let Some(listed) = &self.resources else {
            return invocation.leaves_namespaces();
        };
        let mut resources = invocation.resources().iter();
        resources.any(|name| invocation.has_found_outside(name) && !listed.contains(name))
    }

    /// Whether a deny rule is about this command: its verb, and any one of what it lists.
    pub(super) fn forbids(&self, facts: Facts<'_>) -> bool {
        let invocation = facts.invocation;
        let flag = |(name, patterns): (&String, &Option<Vec<Pattern>>)| match (
            invocation.flags().get(name),
            patterns,
        ) {
            (None, _) => false,
            (Some(values), Some(patterns)) => values
                .iter()
                .any(|value| patterns.iter().any(|pattern| pattern.matches(value))),
            (Some(_), None) => true,
        };
        let of_class = || {
            invocation
                .flags()
                .keys()
                .any(|name| self.has_class_of(invocation, name))
        };
        self.touches(facts)
            && (self.flags.is_empty() && self.flag_classes.is_empty()
                || self.flags.iter().any(flag)
                || of_class())
    }

    /// Whether the command is in the rule's scope, whatever its flags: its verb, and any one of
    /// what each list of the rule names.
    fn touches(&self, facts: Facts<'_>) -> bool {
        let Facts {
            invocation, target, ..
        } = facts;
        let any =
            |globs: &Vec<String>, found: &[String]| found.iter().any(|one| one_of(globs, one));
        let prefixes = invocation.tool().spec().prefix_verbs;
        let is_prefix =
            matches!(invocation.path().words(), [verb] if prefixes.contains(&verb.as_str()));
        let named = |globs: &Vec<String>| match is_prefix {
            true => invocation
                .names()
                .iter()
                .any(|name| globs.iter().any(|glob| glob::matches_extension(glob, name))),
            false => any(globs, invocation.names()),
        };
        let has_resource = |denied: &Vec<String>| {
            let mut resources = invocation.resources().iter();
            resources.any(|resource| may_be_denied(denied, resource, invocation))
        };
        self.has_verb(invocation)
            && !invocation.is_help()
            && self.callers.as_ref().is_none_or(|callers| callers.include(target))
            && self.clusters.as_ref().is_none_or(|globs| any(globs, &target.cluster))
            && self.touches_namespaces(facts)
            && self.resources.as_ref().is_none_or(has_resource)
            // A command that names nothing may touch anything.
            && self.names.as_ref().is_none_or(|globs| invocation.names().is_empty() || named(globs))
            && self.charts.as_ref().is_none_or(|globs| invocation.charts().iter().any(|chart| globs.iter().any(|glob| glob::matches_path(glob, chart))))
    }

    /// Whether a confirm rule asks about a command that the allow rule `allow` accepts, although
    /// some flag or operand keeps the confirm rule itself from matching. An allow rule that
    /// requires a flag of which the confirm rule does not know (`--dry-run`) is meant as the
    /// exception.
    pub(super) fn asks_about(&self, facts: Facts<'_>, allow: &Self) -> bool {
        let invocation = facts.invocation;
        let has_required = |name: &String| {
            let patterns = self.flags.get(name).and_then(Option::as_ref);
            let accepted = |value: &String| {
                value != "false"
                    && patterns.is_none_or(|patterns| {
                        patterns.iter().any(|pattern| pattern.matches(value))
                    })
            };
            invocation
                .flags()
                .get(name)
                .is_some_and(|values| values.iter().any(accepted))
        };
        self.touches(facts)
            && self.require.iter().all(has_required)
            && self
                .max_names
                .is_none_or(|most| invocation.names().len() <= most)
            && allow
                .require
                .iter()
                .all(|flag| self.flags.contains_key(flag))
    }

    /// Whether a flag of the command is of a class that the rule names.
    fn has_class_of(&self, invocation: &Invocation, flag: &str) -> bool {
        invocation
            .flag_class(flag)
            .is_some_and(|class| self.flag_classes.contains(&class))
    }

    /// Whether a deny rule's namespaces are touched: all of them include each.
    fn touches_namespaces(&self, facts: Facts<'_>) -> bool {
        let Facts {
            invocation, target, ..
        } = facts;
        let Some(globs) = &self.namespaces else {
            return true;
        };
        match invocation.namespaces(&target.namespace) {
            Namespaces::All => true,
            // `describe ns kub` describes kube-system.
            Namespaces::These(named) if invocation.path().words() == ["describe"] => named
                .iter()
                .any(|name| globs.iter().any(|glob| glob::matches_extension(glob, name))),
            Namespaces::These(named) => named.iter().any(|name| one_of(globs, name)),
        }
    }

    /// Whether a deny rule leaves nothing of a command with this verb, whoever asks for what.
    pub(super) fn denies_all_of(&self, verb: &CommandPath, resources: Option<&[String]>) -> bool {
        let covered = match (&self.resources, resources) {
            (None, _) => true,
            (Some(denied), Some(resources)) => {
                resources.iter().all(|resource| denied.contains(resource))
            }
            (Some(_), None) => false,
        };
        let narrowed = self.callers.is_some()
            || self.clusters.is_some()
            || self.namespaces.is_some()
            || self.names.is_some()
            || self.charts.is_some()
            || !self.flags.is_empty()
            || !self.flag_classes.is_empty();
        self.effect == Effect::Deny && self.verbs.include(verb) && covered && !narrowed
    }
}
