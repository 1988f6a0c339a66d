//! From denied commands to the narrowest rules that would have allowed them: for an operator to read,
//! not to paste.
//!
//! Comes in: command lines, each with who sent it where. Goes out: a policy file's text that loads and
//! allows these commands to those callers and no others; what runs programs, shows credentials,
//! removes, or cannot be bound by a rule stands in it as a comment. Held by `tests/cli/suggest.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    corpus::Case,
    diff::UnreadLine,
    effect::Effect,
    error::PolicyErrors,
    explain::{Explained, Explainer},
    include::PolicySource,
    narrow::{CallersBy, NarrowRule, merged},
    rules::Policy,
};
use crate::{
    catalogue::{FlagClass, VerbClass},
    command::{Invocation, Namespaces},
    excerpt::Excerpt,
    tool::DefaultNamespace,
};

/// Rules that would allow what was denied.
#[derive(Debug, Default, Serialize)]
pub struct Suggestion {
    /// The text of a policy file.
    pub policy: String,
    /// Its rules, those among them that are comments.
    pub rules: Vec<SuggestedRule>,
    /// What keeps commands denied whatever rules are added.
    pub notes: BTreeSet<String>,
    /// How many of the commands are allowed already.
    pub allowed: usize,
    /// How many of them a person is asked about.
    pub asked: usize,
    /// The lines that are no commands.
    pub unread: Vec<UnreadLine>,
}

/// A rule of the suggested file.
#[derive(Debug, Serialize)]
pub struct SuggestedRule {
    /// Its id.
    pub id: String,
    /// Why it is a comment, where it is one.
    pub held_back: Option<String>,
    /// The commands that it comes from.
    pub commands: Vec<String>,
    /// Who sent them.
    pub callers: BTreeSet<String>,
    /// How often.
    pub times: usize,
    #[serde(skip)]
    toml: String,
}

/// Why there is no suggestion: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum SuggestError {
    /// The text is no policy that holds.
    #[error("the suggestion does not load: {0}")]
    Load(PolicyErrors),
    /// The rules are no TOML.
    #[error(transparent)]
    Write(#[from] toml::ser::Error),
}

/// A denied command.
struct Wanted {
    /// As an example of its rule, where the namespace of a context is not known.
    example: String,
    caller: Option<String>,
    times: usize,
}

/// The denied commands that may stand in one rule, each with its own: what is held back is not
/// merged with what is not.
type DeniedRules = BTreeMap<Option<String>, Vec<(NarrowRule, Wanted)>>;

impl Explainer {
    /// Suggests rules for the commands that are denied, to callers whom they know `by` this.
    ///
    /// # Errors
    /// [`SuggestError`], when what is suggested would not do what it says.
    pub fn suggest(&self, cases: &[Case], by: CallersBy) -> Result<Suggestion, SuggestError> {
        let mut suggestion = Suggestion::default();
        let mut denied = DeniedRules::new();
        for case in cases {
            let explained = self.explain_case(case);
            let Some(invocation) = &explained.invocation else {
                suggestion.unread.push(UnreadLine::new(case, explained));
                continue;
            };
            match explained.effect {
                Effect::Allow => suggestion.allowed += 1,
                Effect::Confirm => suggestion.asked += 1,
                Effect::Deny => match invocation.never() {
                    Some(never) => drop(suggestion.notes.insert(never.to_string())),
                    None => {
                        suggestion.notes.extend(self.stays_denied(&explained));
                        let is_known = case.asked.principal.is_some() || self.knows_who_asks();
                        let by = is_known.then_some(by);
                        let rule = NarrowRule::of(invocation, &explained.target, by);
                        let wanted = self.wanted(case, &explained, invocation, is_known);
                        let held_back = self.held_back(invocation);
                        denied.entry(held_back).or_default().push((rule, wanted));
                    }
                },
            }
        }
        self.write(denied, &mut suggestion)?;
        Ok(suggestion)
    }

    fn wanted(
        &self,
        case: &Case,
        explained: &Explained,
        invocation: &Invocation,
        is_known: bool,
    ) -> Wanted {
        let target = &explained.target;
        let mut example = invocation.clone();
        let of_context = invocation.tool().spec().namespace == DefaultNamespace::OfContext;
        if of_context && !invocation.is_offline() && invocation.own_namespaces().is_empty() {
            let namespace = &target.namespace;
            if invocation.namespaces(namespace) == Namespaces::These(vec![namespace]) {
                example.inject("namespace", namespace, None);
            }
        }
        let groups = match target.groups.is_empty() {
            true => String::new(),
            false => format!(", of {}", Excerpt::new(&target.groups.join(", "))),
        };
        let caller = format!("{}{groups}", Excerpt::new(&target.principal));
        Wanted {
            example: self.typed(&example, &[]),
            caller: is_known.then_some(caller),
            times: case.times,
        }
    }

    /// Why no rule that is added allows it: a deny rule is about it.
    fn stays_denied(&self, explained: &Explained) -> Option<String> {
        let deny = self
            .consider(explained)
            .into_iter()
            .find(|rule| rule.effect == Effect::Deny && rule.matches)?;
        let verb = explained.tool_and_verb()?;
        Some(format!(
            "`{verb}` stays denied while the rule {} is there",
            deny.rule
        ))
    }

    /// Writes the file, and holds each rule of it to its commands.
    fn write(&self, denied: DeniedRules, suggestion: &mut Suggestion) -> Result<(), SuggestError> {
        let mut ids: BTreeMap<String, usize> = BTreeMap::new();
        for (held_back, rules) in denied {
            for (rule, wanted) in merged(rules) {
                let name = format!("suggested-{}-{}", rule.tool, rule.verb.replace(' ', "-"));
                let number = ids.entry(name.clone()).or_default();
                *number += 1;
                let id = match *number {
                    1 => name,
                    number => format!("{name}-{number}"),
                };
                let commands: BTreeSet<String> =
                    wanted.iter().map(|wanted| wanted.example.clone()).collect();
                let commands: Vec<String> = commands.into_iter().collect();
                let toml = rule.toml(&id, &commands)?;
                let held_back = held_back.clone().or_else(|| self.unwritable(&toml));
                suggestion.rules.push(SuggestedRule {
                    id,
                    held_back,
                    commands,
                    callers: wanted.iter().filter_map(|one| one.caller.clone()).collect(),
                    times: wanted.iter().map(|one| one.times).sum(),
                    toml,
                });
            }
        }
        suggestion.rules.sort_by(|one, other| {
            (one.held_back.is_some(), &one.id).cmp(&(other.held_back.is_some(), &other.id))
        });
        suggestion.policy = suggestion.text();
        let file = PolicySource::alone("suggested.toml", suggestion.policy.clone());
        Policy::load(&[file], self.catalogues()).map_err(SuggestError::Load)?;
        Ok(())
    }

    /// Why a rule does not match the commands that it is made of: a value holds what a rule takes for
    /// a pattern.
    fn unwritable(&self, toml: &str) -> Option<String> {
        let file = PolicySource::alone("rule.toml", format!("schema = 1\n{toml}"));
        let errors = Policy::load(&[file], self.catalogues()).err()?.0;
        let first = errors.first().map(|error| error.message.clone());
        Some(format!(
            "no rule can be written for it: {}",
            first.unwrap_or_default()
        ))
    }

    /// Why a rule about the command is written as a comment.
    fn held_back(&self, invocation: &Invocation) -> Option<String> {
        let flags = invocation.flags().keys();
        let mut flags = flags.filter(|name| !["help", "namespace"].contains(&name.as_str()));
        let verb = format!("`{} {}`", invocation.tool(), invocation.path());
        verb_held_back(invocation, &verb)
            .or_else(|| flags.find_map(|flag| self.flag_held_back(invocation, flag, &verb)))
            .or_else(|| words_held_back(invocation, &verb))
    }

    fn flag_held_back(&self, invocation: &Invocation, flag: &str, verb: &str) -> Option<String> {
        let effect = match self.hazard(invocation, flag) {
            None => "nobody has classed it",
            Some(hazard) => match hazard.class {
                FlagClass::Plain => return None,
                // The values that do read a file are refused for good: `jsonpath-file=…`.
                FlagClass::ReadsFile if hazard.tells_values_apart() => return None,
                class => class.effect(),
            },
        };
        Some(format!("--{flag} of {verb}: {effect}"))
    }
}

/// Why no rule about the verb, or about these objects of it, is suggested.
fn verb_held_back(invocation: &Invocation, verb: &str) -> Option<String> {
    let touches = |is: fn(&str) -> bool| invocation.resources().iter().any(|name| is(name));
    let grants = |name: &str| {
        name.ends_with(".rbac.authorization.k8s.io") || name.ends_with(".certificates.k8s.io")
    };
    match invocation.class() {
        None => Some(format!("{verb} has no class yet")),
        Some(class @ (VerbClass::Destructive | VerbClass::Exec | VerbClass::Secret)) => {
            Some(format!("{verb}: {}", class.effect()))
        }
        Some(_) if touches(|name| name == "secrets") => {
            Some(format!("{verb} touches Secrets here"))
        }
        Some(VerbClass::Write) if touches(grants) => {
            Some(format!("{verb} changes here who may do what"))
        }
        Some(VerbClass::Interactive | VerbClass::Listener | VerbClass::Local) => None,
        Some(VerbClass::Read | VerbClass::Write) => None,
    }
}

/// The words of the command that no rule can bind.
fn words_held_back(invocation: &Invocation, verb: &str) -> Option<String> {
    if invocation.after_dash().is_some() {
        return Some(format!("no rule can say which words follow `--` in {verb}"));
    }
    // `pairs` binds what is written so; a `*` in it would be a pattern.
    let pairs = invocation.pairs();
    let is_bound = |word: &str| pairs.iter().any(|pair| pair == word) && !invocation.hides_pairs();
    if let Some(pair) = pairs.iter().find(|pair| pair.contains('*')) {
        let pair = Excerpt::new(pair);
        return Some(format!("no rule can say {pair}, in which `*` is a pattern"));
    }
    let unbound = invocation.unnamed_operands();
    let word = unbound.iter().find(|word| !is_bound(word))?;
    let word = Excerpt::new(word);
    (invocation.class() == Some(VerbClass::Write))
        .then(|| format!("no rule can say which other words {verb} takes: {word} could be any"))
}

impl Suggestion {
    /// The rules that are no comments.
    pub fn active(&self) -> impl Iterator<Item = &SuggestedRule> {
        self.rules.iter().filter(|rule| rule.held_back.is_none())
    }

    /// The file: what is suggested, then what is held back.
    fn text(&self) -> String {
        let mut text = String::from("schema = 1\n");
        for rule in &self.rules {
            text.push('\n');
            if let Some(why) = &rule.held_back {
                text += &format!("# Not suggested: {}\n", one_line(why));
            }
            text += &format!("# {}\n", rule.origin());
            match rule.held_back {
                None => text += &rule.toml,
                Some(_) => {
                    let lines = rule.toml.lines();
                    text.extend(lines.map(|line| format!("{}\n", format!("# {line}").trim_end())));
                }
            }
        }
        text
    }
}

impl SuggestedRule {
    /// `Denied 3 times to agent-1, of agents.`
    fn origin(&self) -> String {
        let times = match self.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        match self.callers.is_empty() {
            true => {
                format!("Denied {times}; the log does not say to whom, so it is for everybody.")
            }
            false => {
                let callers: Vec<&str> = self.callers.iter().map(String::as_str).collect();
                one_line(&format!("Denied {times} to {}.", callers.join("; ")))
            }
        }
    }
}

/// A comment that ends where its line does.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
