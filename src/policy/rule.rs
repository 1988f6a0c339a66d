//! One rule, one match, and which field failed to match.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bounds::{RuleBounds, RuleRate},
    details::Details,
    effect::{Effect, RuleId},
    facts::Facts,
    mismatch::Mismatch,
    objects::{ObjectScope, Objects, accept_none},
    pattern::Pattern,
    resources::Resources,
    target::Target,
};
use crate::{
    advice::Advice,
    catalogue::{CommandPath, Flag, FlagClass, resource},
    command::{Invocation, Namespaces},
    glob,
    tool::{DefaultNamespace, Tool},
};

/// A compiled rule. A list that is absent accepts anything.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) effect: Effect,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    pub(super) tool: Tool,
    pub(super) verbs: Verbs,
    /// Whether its author named each verb, instead of `*` or a class.
    pub(super) by_name: bool,
    /// Globs of principals and of groups: one of either has to match.
    pub(super) callers: Option<Subjects>,
    /// Globs of clusters; a command that contacts none is in none.
    pub(super) clusters: Option<Vec<String>>,
    /// Globs of named clusters that the file opens for rules without `clusters`.
    pub(super) opened_clusters: Vec<String>,
    /// Canonical resources, and globs of them.
    pub(super) resources: Option<Resources>,
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
    /// How often one caller may use it.
    pub(super) rate: Option<RuleRate>,
    /// What it says about the insides of a command.
    pub(super) details: Details,
    /// What it says about the objects that a command carries.
    pub(super) objects: Option<Objects>,
    /// The allow rule about whose rest a confirm rule asks.
    pub(super) beyond: Option<String>,
    /// Commands that match it, as its file has them.
    pub(super) examples: Vec<String>,
}

/// What a rule gives a flag that is absent.
#[derive(Debug)]
pub(super) struct Injected {
    pub(super) value: String,
    /// The flag, which may be another with each verb.
    pub(super) flags: BTreeMap<CommandPath, Flag>,
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

/// Whether an allow rule's globs cover a name, and all that begins with it where the command means
/// that.
fn is_covered(globs: &[String], name: &str, invocation: &Invocation) -> bool {
    match invocation.names_beginnings() {
        true => globs.iter().any(|glob| glob::covers_extensions(glob, name)),
        false => one_of(globs, name),
    }
}

/// Whether a resource is listed; one that only the cluster can tell may be any custom one.
fn may_be_listed(listed: &Resources, name: &str, invocation: &Invocation) -> bool {
    let is_custom = |entry: &String| !resource::is_canonical(entry);
    listed.list(name) || invocation.assumes(name) && listed.entries().iter().any(is_custom)
}

/// Whether a resource is one that a deny rule lists, or may be. What the cluster was found to have
/// is called so; what only it can tell is not denied before.
fn may_be_denied(denied: &Resources, name: &str, invocation: &Invocation) -> bool {
    if invocation.assumes(name) {
        return false;
    }
    match resource::is_canonical(name) || invocation.has_found(name) {
        true => denied.list(name),
        false => denied.may_mean(name),
    }
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
            let elements = |value: &'a String| invocation.elements(name, value);
            for value in values.iter().flat_map(elements) {
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
        self.details.accept(facts)?;
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
            Err(Mismatch::Cluster { .. } | Mismatch::NamedCluster { .. }) => 0,
            Err(_) => 1,
            Ok(()) => 2,
        }
    }

    /// Whether the rule is about this caller, wherever it calls.
    pub(super) fn is_about(&self, target: &Target) -> bool {
        let mut callers = self.callers.iter();
        callers.all(|callers| callers.include(target))
    }

    /// Whether the rule lets this caller do anything at all on this cluster.
    pub(super) fn reaches(&self, target: &Target) -> bool {
        self.effect != Effect::Deny
            && self
                .callers
                .as_ref()
                .is_none_or(|callers| callers.include(target))
            && self.opens(target).is_ok()
    }

    /// Whether the rule opens the cluster of this name to whomever it is about.
    pub(super) fn names_cluster(&self, name: &str) -> bool {
        let globs = self.clusters.as_ref().unwrap_or(&self.opened_clusters);
        self.effect != Effect::Deny && one_of(globs, name)
    }

    /// Whether an allow rule is about the cluster. One with a name has the operator's credential:
    /// it is open only to rules that name it.
    fn opens<'a>(&'a self, target: &'a Target) -> Result<(), Mismatch<'a>> {
        match (&self.clusters, &target.named) {
            (None, None) => Ok(()),
            (None, Some(name)) if one_of(&self.opened_clusters, name) => Ok(()),
            (None, Some(name)) => Err(Mismatch::NamedCluster { name }),
            (Some(allowed), Some(name)) if one_of(allowed, name) => Ok(()),
            (Some(allowed), None) if target.cluster.iter().any(|name| one_of(allowed, name)) => {
                Ok(())
            }
            (Some(allowed), _) => Err(Mismatch::Cluster { allowed }),
        }
    }

    /// What the command is aimed at; help is aimed at nothing.
    fn accepts_target<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        let Facts {
            invocation, target, ..
        } = facts;
        self.opens(target)?;
        if let Some(allowed) = &self.resources {
            if invocation.resources().is_empty() {
                return Err(Mismatch::NoResource);
            }
            if let Some(resource) = invocation
                .resources()
                .iter()
                .find(|resource| !may_be_listed(allowed, resource, invocation))
            {
                let allowed = allowed.entries();
                return Err(Mismatch::Resource { resource, allowed });
            }
        }
        if !self.has_namespaces(facts) {
            return Err(self.wrong_namespace(facts));
        }
        match &self.objects {
            Some(objects) => objects.accept(self.namespaces.as_ref(), facts)?,
            None => accept_none(facts)?,
        }
        if let Some(allowed) = &self.names {
            if invocation.names().is_empty() {
                return Err(Mismatch::NoName { allowed });
            }
            let other = |name: &&String| !is_covered(allowed, name, invocation);
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
                // `-n web` is that namespace alone, also where names are beginnings.
                let mut operands = invocation.operand_namespaces().iter();
                named.iter().all(|name| one_of(globs, name))
                    && operands.all(|name| is_covered(globs, name, invocation))
                    && !self.leaves_namespaces(invocation)
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
        // What is not known to live in namespaces may not, where a rule lists nothing.
        let outside = resources.find(|resource| {
            let may_be = self.resources.is_none() && !invocation.has_found(resource);
            resource::is_cluster_scoped(resource)
                || invocation.has_found_outside(resource)
                || may_be && !resource::is_namespaced(resource)
        });
        match (outside, invocation.namespaces(&target.namespace)) {
            (Some(resource), _) => Mismatch::Outside { resource, allowed },
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
        resources.any(|name| invocation.has_found_outside(name) && !listed.entries().contains(name))
    }

    /// Whether a deny rule is about this command: its verb, and any one of what it lists.
    pub(super) fn forbids(&self, facts: Facts<'_>) -> bool {
        let invocation = facts.invocation;
        let flag = |(name, patterns): (&String, &Option<Vec<Pattern>>)| match (
            invocation.flags().get(name),
            patterns,
        ) {
            (None, _) => false,
            (Some(values), Some(patterns)) => values.iter().any(|value| {
                let mut spellings = invocation.elements(name, value);
                spellings.push(value);
                let is_listed = |text: &&str| patterns.iter().any(|pattern| pattern.matches(text));
                spellings.iter().any(is_listed)
            }),
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
        let has_resource = |denied: &Resources| {
            let mut resources = invocation.resources().iter();
            resources.any(|resource| may_be_denied(denied, resource, invocation))
        };
        let carried = ObjectScope {
            resources: self.resources.as_ref(),
            namespaces: self.namespaces.as_ref(),
            names: self.names.as_ref(),
        };
        let touches_words = || {
            self.touches_namespaces(facts)
                && self.resources.as_ref().is_none_or(has_resource)
                // A command that names nothing may touch anything.
                && self.names.as_ref().is_none_or(|globs| invocation.names().is_empty() || named(globs))
                && self.charts.as_ref().is_none_or(|globs| invocation.charts().iter().any(|chart| globs.iter().any(|glob| glob::matches_path(glob, chart))))
        };
        self.has_verb(invocation)
            && !invocation.is_help()
            && self
                .callers
                .as_ref()
                .is_none_or(|callers| callers.include(target))
            && self
                .clusters
                .as_ref()
                .is_none_or(|globs| any(globs, &target.cluster) || any(globs, &target.may_be))
            && self.details.touch(facts)
            && (carried.touches(self.objects.as_ref(), facts)
                || self.objects.is_none() && touches_words())
    }

    /// Whether a confirm rule asks about a command that the allow rule `allow` accepts, although
    /// some flag or operand keeps the confirm rule itself from matching. An allow rule that
    /// requires a rehearsal (`--dry-run`) of which the confirm rule does not know is meant as the
    /// exception; any other required flag is none, since whoever asks can add it.
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
            // A manifest names each of its objects.
            && self
                .max_names
                .is_none_or(|most| invocation.names().len() + facts.objects.len() <= most)
            && allow
                .require
                .iter()
                .all(|flag| self.flags.contains_key(flag) || !invocation.rehearses(flag))
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
            Namespaces::These(named) => {
                // `describe ns kub` describes kube-system.
                let begins = |name: &String| {
                    invocation.names_beginnings()
                        && globs.iter().any(|glob| glob::matches_extension(glob, name))
                };
                named.iter().any(|name| one_of(globs, name))
                    || invocation.operand_namespaces().iter().any(begins)
            }
        }
    }

    /// Whether a deny rule leaves nothing of a command with this verb, whoever asks for what.
    pub(super) fn denies_all_of(&self, verb: &CommandPath, resources: Option<&Resources>) -> bool {
        self.callers.is_none() && self.denies_its_callers_all_of(verb, resources)
    }

    /// The same for the callers that the rule is about.
    pub(super) fn denies_its_callers_all_of(
        &self,
        verb: &CommandPath,
        resources: Option<&Resources>,
    ) -> bool {
        let covered = match (&self.resources, resources) {
            (None, _) => true,
            (Some(denied), Some(resources)) => denied.include(resources),
            (Some(_), None) => false,
        };
        let narrowed = self.clusters.is_some()
            || self.namespaces.is_some()
            || self.names.is_some()
            || self.charts.is_some()
            || self.details.narrow()
            || self.objects.is_some()
            || !self.flags.is_empty()
            || !self.flag_classes.is_empty();
        self.effect == Effect::Deny && self.verbs.include(verb) && covered && !narrowed
    }
}
