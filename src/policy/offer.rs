//! What a policy offers a caller of a tool: [`Policy::offer`], by which doors describe the tool.
//!
//! A description and no decision: what is listed here may still be denied for its flags, its
//! resources or its cluster. What is not listed here is never allowed, but for its help.

use std::time::SystemTime;

use super::{
    decide::Decision,
    effect::Effect,
    facts::Facts,
    rule::Rule,
    rules::{Policy, Rules},
    target::Target,
};
use crate::{
    catalogue::{Catalogue, CommandPath, VerbClass, flags_in_scope},
    command::{Filter, parse, split_stages},
    identity::Caller,
    tool::Tool,
};

/// What of a tool a caller may use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The verbs of which every file allows something, in the catalogue's order.
    pub allowed: Vec<CommandPath>,
    /// The verbs that run once a person has confirmed them, and not otherwise.
    pub asking: Vec<CommandPath>,
    /// Whether all of these verbs only read.
    pub reads_only: bool,
    /// Whether one of these verbs may read a text that a request brings.
    pub reads_data: bool,
    /// A command that this policy allows this caller, without the tool's name.
    pub example: Option<String>,
}

impl Offer {
    /// Whether the caller may use nothing of the tool, but for its help.
    pub fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.asking.is_empty()
    }
}

/// Verbs that say nothing of a cluster, and that nobody has to be told of.
const ABOUT_ITSELF: [&str; 3] = ["completion", "help", "options"];

impl Policy {
    /// Returns what `caller` may use of the tool of `catalogue`, on whatever cluster.
    pub fn offer(&self, catalogue: &Catalogue, caller: &Caller) -> Offer {
        let target = Target::new(caller, None, None, "default");
        let mut offer = Offer {
            reads_only: true,
            ..Offer::default()
        };
        for node in catalogue.commands() {
            let is_about_itself =
                matches!(node.path.words(), [first, ..] if ABOUT_ITSELF.contains(&first.as_str()));
            let Some(class) = node.hazard.as_ref().map(|hazard| hazard.class) else {
                continue;
            };
            if node.path.words().is_empty() || is_about_itself || node.never().is_some() {
                continue;
            }
            let effects = self.files.iter().map(|file| {
                file.best(catalogue, &node.path, &target)
                    .unwrap_or(Effect::Deny)
            });
            match effects.max() {
                Some(Effect::Allow) => offer.allowed.push(node.path.clone()),
                Some(Effect::Confirm) => offer.asking.push(node.path.clone()),
                Some(Effect::Deny) | None => continue,
            }
            offer.reads_data |= self.lets_read(catalogue, &node.path, &target);
            offer.reads_only &= matches!(class, VerbClass::Read | VerbClass::Local);
        }
        offer.example = self.example(catalogue, &target);
        offer
    }

    /// Whether every file has a rule that lets a verb read a text of the request by the same flag.
    fn lets_read(&self, catalogue: &Catalogue, verb: &CommandPath, target: &Target) -> bool {
        let lineage = catalogue.lineage(verb).unwrap_or_default();
        let mut flags = flags_in_scope(&lineage).filter(|flag| flag.data().is_some());
        flags.any(|flag| {
            let lets = |file: &Rules| file.accepts(catalogue.tool(), verb, &flag.name, target);
            self.files.iter().all(lets)
        })
    }

    /// Returns a command that all files allow: the tool's own, else one of the rules' examples.
    fn example(&self, catalogue: &Catalogue, target: &Target) -> Option<String> {
        let tool = catalogue.tool();
        let own = [(tool.spec().example, None)];
        let rules = self.files.iter().flat_map(|file| &file.rules);
        let of_rules = rules
            .filter(|rule| rule.tool == tool && rule.effect == Effect::Allow)
            .flat_map(|rule| {
                let examples = rule.examples.iter().map(String::as_str);
                examples.map(move |example| (example, rule.clusters.as_ref()))
            });
        let mut candidates = own.into_iter().chain(of_rules);
        let found = candidates.find(|(command, clusters)| {
            let glob = clusters.and_then(|globs| globs.first());
            let cluster = glob.map(|glob| glob.replace('*', "x"));
            let target = target.clone().on(cluster.into_iter().collect());
            self.allows(catalogue, command, &target)
        });
        let (command, _) = found?;
        let bare = command
            .strip_prefix(tool.as_str())
            .and_then(|rest| rest.strip_prefix(' '));
        Some(bare.unwrap_or(command).to_owned())
    }

    /// Whether a command line is one that runs without a question.
    fn allows(&self, catalogue: &Catalogue, command: &str, target: &Target) -> bool {
        let Ok(stages) = split_stages(catalogue.tool(), command) else {
            return false;
        };
        let filters = stages.filters.into_iter().map(Filter::parse);
        let (Ok(filters), Ok(invocation)) = (
            filters.collect::<Result<Vec<_>, _>>(),
            parse(catalogue, stages.command, None),
        ) else {
            return false;
        };
        let facts = Facts::new(&invocation, target)
            .through(&filters)
            .at(SystemTime::now());
        !invocation.is_help() && matches!(self.decide(facts), Decision::Allow(_))
    }
}

impl Rules {
    /// Whether a rule lets the caller use a flag of a verb.
    fn accepts(&self, tool: Tool, verb: &CommandPath, flag: &str, target: &Target) -> bool {
        let verbs = self.by_verb.get(&tool);
        let places = verbs
            .and_then(|verbs| verbs.get(verb))
            .into_iter()
            .flatten();
        let mut about = places.filter_map(|place| self.rules.get(*place));
        about.any(|rule| {
            rule.effect != Effect::Deny && rule.is_about(target) && rule.flags.contains_key(flag)
        })
    }

    /// The most that the file lets the caller do with a verb; none where no rule lets it anything.
    fn best(&self, catalogue: &Catalogue, verb: &CommandPath, target: &Target) -> Option<Effect> {
        let places = self.by_verb.get(&catalogue.tool())?.get(verb)?;
        let about = places.iter().filter_map(|place| self.rules.get(*place));
        let about: Vec<&Rule> = about.filter(|rule| rule.is_about(target)).collect();
        if about
            .iter()
            .any(|rule| rule.denies_its_callers_all_of(verb, None))
        {
            return None;
        }
        let lets = about
            .iter()
            .filter(|rule| !rule.require.iter().any(|flag| flag == "help"));
        let lets = lets.filter(|rule| rule.effect != Effect::Deny);
        lets.map(|rule| rule.effect).min()
    }
}
