//! A TOML file with spans -> rules. A file whose examples fail does not load.
//!
//! Every name in it has to exist: keys, sets, classes, verbs, flags, resources. A rule that can
//! never match is refused like a wrong name. An error has its place and the nearest known name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU64,
    ops::Range,
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, de::value::StrDeserializer};
use toml::Spanned;

use super::{
    Policy, Rules,
    decide::Verdict,
    error::{PolicyError, PolicyErrors, PolicyFile, position},
    lint,
    pattern::Pattern,
    rule::{Bounds, Callers, Effect, Injected, Rule, RuleId, Verbs},
    target::Target,
};
use crate::{
    catalogue::{
        Catalogue, CommandNode, CommandPath, Flag, FlagClass, FlagKind, VerbClass, flag_named,
        flags_in_scope, resource,
    },
    command::{Invocation, go_duration, parse, split, typed_value},
    excerpt::Excerpt,
    nearest,
    tool::Tool,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[schemars(with = "u32")]
    schema: Spanned<u32>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    sets: Sets,
    #[serde(default)]
    #[schemars(with = "Vec<RawRule>")]
    rule: Vec<RawRule>,
    #[serde(default)]
    test: Vec<Test>,
}

/// Flags by long name, with the values that a rule accepts.
type Flags = BTreeMap<String, Option<Vec<Pattern>>>;

/// Lists of resources or flags with a name, used as `"@name"`.
type Sets = BTreeMap<String, Vec<Spanned<String>>>;

/// A list of texts with their places.
type List = Vec<Spanned<String>>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[schemars(with = "String")]
    id: Spanned<String>,
    effect: Effect,
    reason: String,
    hint: Option<String>,
    tool: Tool,
    #[schemars(with = "Vec<String>")]
    verbs: Spanned<List>,
    #[schemars(with = "Option<Vec<String>>")]
    principals: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    groups: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    clusters: Option<Spanned<List>>,
    #[schemars(with = "Option<Names>")]
    resources: Option<Spanned<Names>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    flags: List,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    values: BTreeMap<Spanned<String>, Spanned<List>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    require: List,
    #[schemars(with = "Option<usize>")]
    max_operands: Option<Spanned<usize>>,
    #[schemars(with = "Option<Vec<String>>")]
    names: Option<Spanned<List>>,
    #[schemars(with = "Option<usize>")]
    max_names: Option<Spanned<usize>>,
    #[schemars(with = "Option<Vec<String>>")]
    namespaces: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    charts: Option<Spanned<List>>,
    #[serde(default)]
    after_dash: bool,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    inject: BTreeMap<Spanned<String>, Spanned<String>>,
    #[schemars(with = "Option<String>")]
    timeout: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    max_output: Option<Spanned<String>>,
    #[schemars(with = "Option<u64>")]
    max_lines: Option<Spanned<u64>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    matches: List,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    rejects: List,
}

/// A list of names, or the name of a set: `"@readable"`.
enum Names {
    Set(String),
    List(Vec<Spanned<String>>),
}

/// By hand: serde's untagged enums lose the spans.
impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of names, or the name of a set like \"@readable\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names::Set(text.to_owned()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_element()? {
                    names.push(name);
                }
                Ok(Names::List(names))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Names {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "oneOf": [{ "type": "string", "pattern": "^@" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Test {
    #[schemars(with = "String")]
    run: Spanned<String>,
    expect: Effect,
    by: Option<String>,
    principal: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    cluster: Option<String>,
    namespace: Option<String>,
}

impl Policy {
    /// Loads files; all of them have to allow what is allowed.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first error of each rule and test.
    pub fn load(files: &[PolicyFile], catalogues: &[Catalogue]) -> Result<Self, PolicyErrors> {
        let mut errors = Vec::new();
        let mut loaded = Vec::new();
        for file in files {
            match (Loading {
                file: Arc::new(file.clone()),
                catalogues,
            }
            .rules())
            {
                Ok(rules) => loaded.push(rules),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() {
            Ok(Self { files: loaded })
        } else {
            Err(PolicyErrors(errors))
        }
    }

    /// How many examples and tests held when the files were loaded.
    pub fn examples(&self) -> usize {
        self.files.iter().map(|file| file.examples).sum()
    }

    /// What the authors of the files should look at again: rules that never apply, sets that
    /// nothing uses.
    pub fn lints(&self) -> impl Iterator<Item = &PolicyError> {
        self.files.iter().flat_map(|file| &file.lints)
    }
}

/// The JSON Schema of a policy file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

struct Loading<'a> {
    file: Arc<PolicyFile>,
    catalogues: &'a [Catalogue],
}

/// The verbs of a rule, with the commands they are in each version of the tool.
struct Chosen<'c> {
    verbs: Verbs,
    commands: Vec<Vec<&'c CommandNode>>,
    /// Whether the author named each verb, instead of `*` or a class.
    by_name: bool,
}

impl<'c> Chosen<'c> {
    /// A flag as each command has it that does.
    fn flag(&self, name: &str) -> Vec<(&'c CommandPath, &'c Flag)> {
        let of = |lineage: &Vec<&'c CommandNode>| {
            Some((&lineage.last()?.path, flag_named(lineage, name)?))
        };
        self.commands.iter().filter_map(of).collect()
    }

    fn flags(&self) -> impl Iterator<Item = &'c Flag> {
        self.commands
            .iter()
            .flat_map(|lineage| flags_in_scope(lineage))
    }
}

impl Loading<'_> {
    fn rules(&self) -> Result<Rules, Vec<PolicyError>> {
        let file: File = toml::from_str(&self.file.text).map_err(|error| {
            vec![self.error(error.span().unwrap_or_default(), error.message(), None)]
        })?;
        if *file.schema.get_ref() != 1 {
            return Err(vec![self.error(
                file.schema.span(),
                "this server reads policy files of schema 1",
                None,
            )]);
        }
        let mut errors = self.class_names(&file.sets);
        let mut rules: Vec<Rule> = Vec::new();
        for raw in &file.rule {
            match self.rule(raw, &file.sets) {
                Ok(rule) => {
                    if let Some(known) = rules.iter().find(|known| known.id.id == rule.id.id) {
                        let message = format!(
                            "the id `{}` is taken by the rule on line {}",
                            rule.id.id, known.id.line
                        );
                        errors.push(self.error(raw.id.span(), &message, None));
                    }
                    rules.push(rule);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors); // tests of half a policy would only repeat it
        }
        let by_verb = self.by_verb(&rules);
        let examples = file
            .rule
            .iter()
            .map(|raw| raw.matches.len() + raw.rejects.len())
            .sum::<usize>()
            + file.test.len();
        let mut rules = Rules {
            name: self.file.name.clone(),
            rules,
            by_verb,
            lints: Vec::new(),
            examples,
        };
        for (raw, rule) in file.rule.iter().zip(&rules.rules) {
            errors.extend(self.examples(raw, rule).err());
        }
        errors.extend(
            file.test
                .iter()
                .filter_map(|test| self.test(test, &rules).err()),
        );
        if !errors.is_empty() {
            return Err(errors);
        }
        rules.lints = lint::lints(
            &self.file,
            &rules.rules,
            file.rule.iter().map(|raw| raw.id.span()),
        );
        rules.lints.extend(self.unused_sets(&file));
        Ok(rules)
    }

    /// The places of the rules about each verb of each version.
    fn by_verb(&self, rules: &[Rule]) -> BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> {
        let mut by_verb: BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> = BTreeMap::new();
        for catalogue in self.catalogues {
            for node in catalogue.commands() {
                let places = rules.iter().enumerate().filter(|(_, rule)| {
                    rule.tool == catalogue.tool() && rule.verbs.include(&node.path)
                });
                let places: Vec<usize> = places.map(|(place, _)| place).collect();
                if !places.is_empty() {
                    by_verb
                        .entry(catalogue.tool())
                        .or_default()
                        .insert(node.path.clone(), places);
                }
            }
        }
        by_verb
    }

    fn rule(&self, raw: &RawRule, sets: &Sets) -> Result<Rule, PolicyError> {
        let chosen = self.verbs(raw)?;
        let (flags, flag_classes) = self.flags(raw, &chosen, sets)?;
        if raw.effect == Effect::Deny {
            self.only_what_a_deny_rule_has(raw)?;
        }
        let callers = match (&raw.principals, &raw.groups) {
            (None, None) => None,
            (principals, groups) => Some(Callers {
                principals: self.globs(principals.as_ref())?.unwrap_or_default(),
                groups: self.globs(groups.as_ref())?.unwrap_or_default(),
            }),
        };
        let id = raw.id.get_ref().clone();
        if let (Some(charts), true) = (&raw.charts, raw.tool != Tool::Helm) {
            return Err(self.error(charts.span(), "only helm's commands name charts", None));
        }
        let none =
            |most: &Option<Spanned<usize>>| most.as_ref().is_some_and(|most| *most.get_ref() == 0);
        if let (Some(names), true) = (
            raw.names.as_ref().or(raw.charts.as_ref()),
            none(&raw.max_operands) || none(&raw.max_names),
        ) {
            return Err(self.error(
                names.span(),
                "this rule wants a name and accepts none, so it never matches",
                None,
            ));
        }
        let rule = Rule {
            id: RuleId {
                id,
                file: self.file.name.clone(),
                line: position(&self.file.text, raw.id.span().start).0,
            },
            effect: raw.effect,
            reason: raw.reason.clone(),
            hint: raw.hint.clone(),
            tool: raw.tool,
            callers,
            clusters: self.globs_of(
                raw.clusters.as_ref(),
                "cluster names, hosts or host:port",
                |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c),
            )?,
            resources: self.resources(raw, sets)?,
            require: raw
                .require
                .iter()
                .map(|flag| long_name(flag.get_ref()).to_owned())
                .collect(),
            max_operands: raw.max_operands.as_ref().map(|most| *most.get_ref()),
            max_names: raw.max_names.as_ref().map(|most| *most.get_ref()),
            names: self.globs(raw.names.as_ref())?,
            namespaces: self.globs_of(raw.namespaces.as_ref(), "namespaces", |c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
            })?,
            charts: self.globs(raw.charts.as_ref())?,
            after_dash: raw.after_dash,
            inject: self.injected(raw, &flags, &chosen)?,
            bounds: self.bounds(raw)?,
            verbs: chosen.verbs,
            flag_classes,
            flags,
        };
        Ok(rule)
    }

    /// The verbs of a rule: by name, by class, or all of them.
    fn verbs(&self, raw: &RawRule) -> Result<Chosen<'_>, PolicyError> {
        let list = raw.verbs.get_ref();
        if self.catalogue(raw.tool).is_none() {
            return Err(self.error(
                raw.verbs.span(),
                &format!("this server has no catalogue of {}", raw.tool),
                None,
            ));
        }
        let all = || {
            self.catalogues
                .iter()
                .filter(|catalogue| catalogue.tool() == raw.tool)
        };
        let lineages = |wanted: &dyn Fn(&CommandNode) -> bool| -> Vec<Vec<&CommandNode>> {
            let of = |catalogue: &'_ Catalogue| -> Vec<CommandPath> {
                catalogue
                    .commands()
                    .filter(|node| wanted(node))
                    .map(|node| node.path.clone())
                    .collect()
            };
            all()
                .flat_map(|catalogue| {
                    of(catalogue)
                        .into_iter()
                        .filter_map(|path| catalogue.lineage(&path))
                })
                .collect()
        };
        if list.is_empty() {
            return Err(self.error(
                raw.verbs.span(),
                "this rule is about no verb, so it never matches",
                None,
            ));
        }
        if let [all] = list.as_slice()
            && all.get_ref() == "*"
        {
            return Ok(Chosen {
                verbs: Verbs::All,
                commands: lineages(&|_| true),
                by_name: false,
            });
        }
        let mut commands = Vec::new();
        let mut by_name = true;
        for verb in list {
            let text = verb.get_ref();
            let found = if let Some(class) = text.strip_prefix('@') {
                by_name = false;
                let class =
                    VerbClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(class))
                        .map_err(|_| {
                            self.error(
                                verb.span(),
                                &format!("there is no class {} of verbs", Excerpt::new(class)),
                                nearest(class, VERB_CLASSES),
                            )
                        })?;
                lineages(&|node| {
                    node.hazard
                        .as_ref()
                        .is_some_and(|hazard| hazard.class == class)
                        && (raw.effect == Effect::Deny || node.never().is_none())
                })
            } else {
                let path = CommandPath::new(text.split_whitespace().map(str::to_owned).collect());
                lineages(&|node| node.path == path)
            };
            let Some(node) = found.first().and_then(|lineage| lineage.last().copied()) else {
                let known: BTreeSet<String> = all()
                    .flat_map(Catalogue::commands)
                    .map(|node| node.path.to_string())
                    .collect();
                let message = format!(
                    "{} {} has no verb {}",
                    raw.tool,
                    self.versions(raw.tool),
                    Excerpt::new(text)
                );
                return Err(self.error(
                    verb.span(),
                    &message,
                    nearest(text, known.iter().map(String::as_str)),
                ));
            };
            if let (true, Some(why)) = (raw.effect != Effect::Deny, node.never()) {
                return Err(self.error(
                    verb.span(),
                    &format!("`{} {text}` is never allowed: {why}", raw.tool),
                    None,
                ));
            }
            commands.extend(found);
        }
        let verbs = commands
            .iter()
            .filter_map(|lineage| lineage.last())
            .map(|node| node.path.clone())
            .collect();
        Ok(Chosen {
            verbs: Verbs::These(verbs),
            commands,
            by_name,
        })
    }

    /// The flags of a rule with the values it accepts: of `flags`, `require`, `values` and
    /// `inject`.
    fn flags(
        &self,
        raw: &RawRule,
        chosen: &Chosen<'_>,
        sets: &Sets,
    ) -> Result<(Flags, Vec<FlagClass>), PolicyError> {
        let mut flags = Flags::new();
        let mut classes = Vec::new();
        for flag in &raw.flags {
            match flag.get_ref().strip_prefix('@') {
                None => drop(flags.insert(self.flag(raw, flag, chosen)?, None)),
                Some(name) => match (sets.get(name), flag_class(name)) {
                    (Some(set), _) => {
                        for flag in set {
                            flags.insert(self.flag(raw, flag, chosen)?, None);
                        }
                    }
                    // The others can do harm: a rule names each of them.
                    (None, Some(class))
                        if class == FlagClass::Plain || raw.effect == Effect::Deny =>
                    {
                        classes.push(class); // of each verb by itself: `--all` is plain for one and not for another
                    }
                    (None, Some(_)) => {
                        let message = format!(
                            "flags of the class `{name}` can do harm: an {} rule names each of them",
                            raw.effect.word()
                        );
                        return Err(self.error(
                            flag.span(),
                            &message,
                            Some("only `@plain` stands for flags that are not named".into()),
                        ));
                    }
                    (None, None) => {
                        let known = sets.keys().map(String::as_str).chain(FLAG_CLASSES);
                        let message = format!(
                            "there is no set and no class {} of flags",
                            Excerpt::new(name)
                        );
                        return Err(self.error(flag.span(), &message, nearest(name, known)));
                    }
                },
            }
        }
        for flag in &raw.require {
            let name = self.flag(raw, flag, chosen)?;
            let without = chosen
                .commands
                .iter()
                .filter_map(|lineage| lineage.last())
                .find(|node| {
                    !chosen
                        .flag(&name)
                        .iter()
                        .any(|(path, _)| **path == node.path)
                });
            if let (Some(node), true) = (without, chosen.by_name) {
                let message = format!(
                    "`{} {}` has no --{name}, so this rule never matches it",
                    raw.tool, node.path
                );
                return Err(self.error(
                    flag.span(),
                    &message,
                    Some("put the verb into a rule of its own".into()),
                ));
            }
            let bare = chosen
                .flag(&name)
                .iter()
                .any(|(_, flag)| flag.kind == FlagKind::Text && flag.value_if_bare.is_some());
            if bare
                && !raw
                    .values
                    .keys()
                    .any(|listed| long_name(listed.get_ref()) == name)
            {
                let message = format!(
                    "--{name} is required, and some of its values do nothing (`none`): list those that count"
                );
                let help = format!("values = {{ \"--{name}\" = [\"client\", \"server\"] }}");
                return Err(self.error(flag.span(), &message, Some(help)));
            }
            flags.entry(name).or_default();
        }
        for (flag, value) in &raw.inject {
            let name = self.flag(raw, flag, chosen)?;
            let is_plain = chosen.flag(&name).iter().all(|(_, flag)| {
                flag.hazard
                    .as_ref()
                    .is_some_and(|hazard| hazard.class == FlagClass::Plain)
            });
            // Without values of its own, a flag that can do harm has the one that is added.
            let own = if is_plain {
                None
            } else {
                Some(vec![
                    Pattern::parse(value.get_ref())
                        .map_err(|why| self.error(value.span(), why, None))?,
                ])
            };
            flags.entry(name).or_insert(own);
        }
        for (flag, patterns) in &raw.values {
            let name = self.flag(raw, flag, chosen)?;
            let found = chosen.flag(&name);
            if patterns.get_ref().is_empty() {
                return Err(self.error(
                    patterns.span(),
                    &format!("no value of --{name} is accepted, so this rule never matches it"),
                    None,
                ));
            }
            let mut accepted = Vec::new();
            for text in patterns.get_ref() {
                let wrong = |why: &str| self.error(text.span(), why, None);
                let pattern = Pattern::parse(text.get_ref()).map_err(wrong)?;
                let impossible: Vec<String> = found
                    .iter()
                    .filter_map(|(_, flag)| pattern.impossible_for(flag))
                    .collect();
                if let (Some(why), true) = (impossible.first(), impossible.len() == found.len()) {
                    return Err(wrong(why));
                }
                let never: Vec<String> = found
                    .iter()
                    .filter_map(|(_, flag)| flag.never(Some(text.get_ref())))
                    .collect();
                if let (Some(why), true, true) = (
                    never.first(),
                    never.len() == found.len(),
                    raw.effect != Effect::Deny,
                ) {
                    return Err(wrong(&format!(
                        "--{name} {} is never allowed: {why}",
                        Excerpt::new(text.get_ref())
                    )));
                }
                accepted.push(pattern);
            }
            flags.insert(name, Some(accepted));
        }
        if raw.effect != Effect::Deny {
            self.hazards_have_values(raw, &flags, chosen)?;
        }
        Ok((flags, classes))
    }

    /// A flag that at least one verb of the rule has, and that may be allowed.
    fn flag(
        &self,
        raw: &RawRule,
        flag: &Spanned<String>,
        chosen: &Chosen<'_>,
    ) -> Result<String, PolicyError> {
        let name = long_name(flag.get_ref());
        let found = chosen.flag(name);
        if found.is_empty() {
            let message = format!(
                "no verb of this rule has the flag {} in {} {}",
                Excerpt::new(flag.get_ref()),
                raw.tool,
                self.versions(raw.tool)
            );
            let known: BTreeSet<String> = chosen
                .flags()
                .map(|flag| format!("--{}", flag.name))
                .collect();
            return Err(self.error(
                flag.span(),
                &message,
                nearest(&format!("--{name}"), known.iter().map(String::as_str)),
            ));
        }
        if raw.effect != Effect::Deny {
            let never: Vec<_> = found
                .iter()
                .filter_map(|(path, flag)| Some((path, flag.never(None)?)))
                .collect();
            if let Some((path, why)) = never.first()
                && (chosen.by_name || never.len() == found.len())
            {
                let message = format!(
                    "--{name} is never allowed with `{} {path}`: {why}",
                    raw.tool
                );
                return Err(self.error(flag.span(), &message, None));
            }
        }
        Ok(name.to_owned())
    }

    fn hazards_have_values(
        &self,
        raw: &RawRule,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<(), PolicyError> {
        for (name, _) in flags.iter().filter(|(_, patterns)| patterns.is_none()) {
            let hazard = chosen.flag(name).into_iter().find_map(|(_, flag)| {
                flag.hazard
                    .as_ref()
                    .filter(|hazard| hazard.class.needs_values())
            });
            if let Some(hazard) = hazard {
                let place = raw
                    .flags
                    .iter()
                    .chain(&raw.require)
                    .chain(raw.inject.keys())
                    .find(|flag| long_name(flag.get_ref()) == name);
                let why = hazard
                    .why
                    .as_deref()
                    .unwrap_or("its values reach past the verb");
                let help = format!(
                    "list the values that are meant: values = {{ \"--{name}\" = [\"…\"] }}"
                );
                return Err(self.error(
                    place.unwrap_or(&raw.id).span(),
                    &format!("--{name} needs its values listed: {why}"),
                    Some(help),
                ));
            }
        }
        Ok(())
    }

    fn only_what_a_deny_rule_has(&self, raw: &RawRule) -> Result<(), PolicyError> {
        let wrong = [
            raw.require.first().map(|flag| {
                (
                    flag.span(),
                    "`require` makes an allow rule narrower; a deny rule lists `flags`",
                )
            }),
            raw.inject.keys().next().map(|flag| {
                (
                    flag.span(),
                    "a deny rule starts nothing, so it adds no flag",
                )
            }),
            raw.max_operands
                .as_ref()
                .map(|most| (most.span(), "`max_operands` makes an allow rule narrower")),
            raw.max_names
                .as_ref()
                .map(|most| (most.span(), "`max_names` makes an allow rule narrower")),
            raw.timeout.as_ref().map(|timeout| {
                (
                    timeout.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.max_output.as_ref().map(|most| {
                (
                    most.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.max_lines.as_ref().map(|most| {
                (
                    most.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.after_dash
                .then(|| (raw.id.span(), "`after_dash` makes an allow rule wider")),
        ];
        match wrong.into_iter().flatten().next() {
            Some((span, message)) => Err(self.error(span, message, None)),
            None => Ok(()),
        }
    }

    /// Flags to add; what is added has to be what the rule accepts and the flag takes.
    fn injected(
        &self,
        raw: &RawRule,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<BTreeMap<String, Injected>, PolicyError> {
        let mut injected = BTreeMap::new();
        for (flag, value) in &raw.inject {
            let name = long_name(flag.get_ref());
            if name == "help" {
                return Err(self.error(
                    flag.span(),
                    "with --help added, nothing would run but help",
                    None,
                ));
            }
            if AIMING.contains(&name) {
                let message =
                    format!("--{name} chooses what a command is about, so it cannot be added");
                return Err(self.error(
                    flag.span(),
                    &message,
                    Some("list it under `require`".into()),
                ));
            }
            let text = value.get_ref();
            let accepted = flags
                .get(name)
                .and_then(Option::as_ref)
                .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(text)));
            if !accepted {
                let message = format!(
                    "the rule itself does not accept {} for --{name}",
                    Excerpt::new(text)
                );
                return Err(self.error(value.span(), &message, None));
            }
            let found = chosen.flag(name);
            for (_, flag) in &found {
                typed_value(flag, text.clone())
                    .map_err(|error| self.error(value.span(), &error.to_string(), None))?;
                if let Some(why) = flag.never(Some(text)) {
                    return Err(self.error(
                        value.span(),
                        &format!("--{name} {} is never allowed: {why}", Excerpt::new(text)),
                        None,
                    ));
                }
            }
            if found.len() < chosen.commands.len() {
                let message = format!(
                    "not every verb of this rule has --{name} in every version of {}, so it cannot be added",
                    raw.tool
                );
                return Err(self.error(
                    flag.span(),
                    &message,
                    Some("put the verbs that have it into a rule of their own".into()),
                ));
            }
            if raw
                .require
                .iter()
                .any(|required| long_name(required.get_ref()) == name)
            {
                return Err(self.error(
                    flag.span(),
                    &format!("--{name} is required, so it is never added"),
                    None,
                ));
            }
            let classes = found
                .iter()
                .filter_map(|(path, flag)| Some(((*path).clone(), flag.hazard.as_ref()?.class)));
            injected.insert(
                name.to_owned(),
                Injected {
                    value: text.clone(),
                    classes: classes.collect(),
                },
            );
        }
        Ok(injected)
    }

    fn bounds(&self, raw: &RawRule) -> Result<Bounds, PolicyError> {
        let timeout = raw.timeout.as_ref().map(|text| {
            go_duration(text.get_ref())
                .filter(|timeout| !timeout.is_zero())
                .ok_or_else(|| {
                    self.error(
                        text.span(),
                        "a timeout is a duration like 30s or 5m, and not 0",
                        None,
                    )
                })
        });
        let max_output_bytes = raw.max_output.as_ref().map(|text| {
            bytes(text.get_ref())
                .filter(|bytes| *bytes > 0)
                .ok_or_else(|| {
                    self.error(
                        text.span(),
                        "max_output is a size like 64KiB or 1MiB, and not 0",
                        None,
                    )
                })
        });
        let max_lines = raw.max_lines.as_ref().map(|most| {
            NonZeroU64::new(*most.get_ref()).ok_or_else(|| {
                self.error(
                    most.span(),
                    "max_lines is a number of lines, and not 0",
                    None,
                )
            })
        });
        Ok(Bounds {
            timeout: timeout.transpose()?,
            max_output_bytes: max_output_bytes.transpose()?,
            max_lines: max_lines.transpose()?,
        })
    }

    /// A list of globs; an empty one matches nothing, which nobody means.
    fn globs(&self, list: Option<&Spanned<List>>) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = list else { return Ok(None) };
        if spanned.get_ref().is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                Some("leave the key out to match everything".into()),
            ));
        }
        if let Some(glob) = spanned
            .get_ref()
            .iter()
            .find(|glob| glob.get_ref().is_empty())
        {
            return Err(self.error(glob.span(), "an empty text matches nothing", None));
        }
        Ok(Some(
            spanned
                .get_ref()
                .iter()
                .map(|glob| glob.get_ref().clone())
                .collect(),
        ))
    }

    /// Globs whose characters can occur in what they are matched with.
    fn globs_of(
        &self,
        list: Option<&Spanned<List>>,
        what: &str,
        may_hold: fn(char) -> bool,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let wrong = list
            .into_iter()
            .flat_map(Spanned::get_ref)
            .find(|glob| !glob.get_ref().chars().all(|c| c == '*' || may_hold(c)));
        match wrong {
            Some(glob) => Err(self.error(
                glob.span(),
                &format!(
                    "{} is no glob of {what}, so it never matches",
                    Excerpt::new(glob.get_ref())
                ),
                None,
            )),
            None => self.globs(list),
        }
    }

    fn resources(&self, raw: &RawRule, sets: &Sets) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = &raw.resources else {
            return Ok(None);
        };
        if raw.tool != Tool::Kubectl {
            return Err(self.error(
                spanned.span(),
                "only kubectl's commands name resources",
                None,
            ));
        }
        let of_set = |name: &str, span: Range<usize>| {
            let message = format!("there is no set {}", Excerpt::new(name));
            sets.get(name).ok_or_else(|| {
                self.error(
                    span,
                    &message,
                    nearest(name, sets.keys().map(String::as_str)),
                )
            })
        };
        let mut names: Vec<&Spanned<String>> = Vec::new();
        match spanned.get_ref() {
            Names::Set(set) => names.extend(of_set(
                set.strip_prefix('@').unwrap_or(set),
                spanned.span(),
            )?),
            Names::List(list) => {
                for name in list {
                    match name.get_ref().strip_prefix('@') {
                        Some(set) => names.extend(of_set(set, name.span())?),
                        None => names.push(name),
                    }
                }
            }
        }
        if names.is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                None,
            ));
        }
        for name in &names {
            let custom = name
                .get_ref()
                .split_once('.')
                .is_some_and(|(_, group)| group.contains('.'));
            if !resource::is_canonical(name.get_ref()) && !custom {
                let known: Vec<String> = resource::all().collect();
                let help = resource::canonical(name.get_ref())
                    .map(|canonical| format!("its canonical name is `{canonical}`"))
                    .or_else(|| nearest(name.get_ref(), known.iter().map(String::as_str)));
                let message = format!(
                    "{} is not the canonical name of a resource",
                    Excerpt::new(name.get_ref())
                );
                return Err(self.error(name.span(), &message, help));
            }
        }
        Ok(Some(
            names
                .into_iter()
                .map(|name| name.get_ref().clone())
                .collect(),
        ))
    }

    /// Sets that hide a class.
    fn class_names(&self, sets: &Sets) -> Vec<PolicyError> {
        let hides = |name: &&String| flag_class(name).is_some();
        let hidden = sets.keys().filter(hides);
        hidden
            .map(|name| {
                self.error(
                    self.place_of_set(name),
                    &format!("`{name}` is the name of a class of flags"),
                    Some("call the set something else".into()),
                )
            })
            .collect()
    }

    fn unused_sets(&self, file: &File) -> Vec<PolicyError> {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for raw in &file.rule {
            used.extend(
                raw.flags
                    .iter()
                    .filter_map(|flag| flag.get_ref().strip_prefix('@')),
            );
            match raw.resources.as_ref().map(Spanned::get_ref) {
                Some(Names::Set(set)) => drop(used.insert(set.strip_prefix('@').unwrap_or(set))),
                Some(Names::List(list)) => used.extend(
                    list.iter()
                        .filter_map(|name| name.get_ref().strip_prefix('@')),
                ),
                None => {}
            }
        }
        let unused = file
            .sets
            .keys()
            .filter(|name| !used.contains(name.as_str()));
        unused
            .map(|name| {
                self.error(
                    self.place_of_set(name),
                    &format!("no rule uses the set `{name}`"),
                    None,
                )
            })
            .collect()
    }

    /// Where a set is named: toml gives keys of a map no place.
    fn place_of_set(&self, name: &str) -> Range<usize> {
        let sets = self.file.text.find("[sets]").unwrap_or_default();
        let at = self
            .file
            .text
            .get(sets..)
            .and_then(|rest| rest.find(&format!("\n{name}")))
            .map_or(sets, |at| sets + at + 1);
        at..at + name.len()
    }

    /// Each example against its own rule, asked by a caller and for a cluster that the rule is
    /// about.
    fn examples(&self, raw: &RawRule, rule: &Rule) -> Result<(), PolicyError> {
        let of = |globs: &[String]| globs.first().map(|glob| glob.replace('*', "x"));
        let target = Target {
            cluster: rule.clusters.as_deref().and_then(of).into_iter().collect(),
            principal: rule
                .callers
                .as_ref()
                .and_then(|callers| of(&callers.principals))
                .unwrap_or_else(|| "anonymous".into()),
            groups: rule
                .callers
                .as_ref()
                .and_then(|callers| of(&callers.groups))
                .into_iter()
                .collect(),
            ..Target::default()
        };
        for (examples, wanted) in [(&raw.matches, true), (&raw.rejects, false)] {
            for example in examples {
                let matched = match self.invocation(example.get_ref()) {
                    Err(_) if !wanted => continue,
                    Err(why) => {
                        return Err(self.error(
                            example.span(),
                            &format!("this example does not parse: {why}"),
                            None,
                        ));
                    }
                    Ok(invocation) => match rule.effect {
                        Effect::Allow | Effect::Confirm => match invocation.never() {
                            Some(never) => Err(never.to_string()),
                            None => rule.accepts(&invocation, &target).map_err(|mismatch| {
                                mismatch.told(&invocation.path().to_string(), rule).0
                            }),
                        },
                        Effect::Deny => rule
                            .forbids(&invocation, &target)
                            .then_some(())
                            .ok_or_else(|| "nothing that it denies is in it".into()),
                    },
                };
                let message = match (matched, wanted) {
                    (Ok(()), true) | (Err(_), false) => continue,
                    (Ok(()), false) => format!(
                        "rule `{}` matches this example, which it should reject",
                        rule.id.id
                    ),
                    (Err(why), true) => {
                        format!("rule `{}` does not match this example: {why}", rule.id.id)
                    }
                };
                return Err(self.error(example.span(), &message, None));
            }
        }
        Ok(())
    }

    fn test(&self, test: &Test, rules: &Rules) -> Result<(), PolicyError> {
        let target = Target {
            namespace: test
                .namespace
                .clone()
                .unwrap_or_else(|| Target::default().namespace),
            cluster: test.cluster.iter().cloned().collect(),
            principal: test
                .principal
                .clone()
                .unwrap_or_else(|| Target::default().principal),
            groups: test.groups.clone(),
        };
        let found: Result<(Effect, Vec<String>), String> = match self.invocation(test.run.get_ref())
        {
            Err(why) => Err(why),
            Ok(invocation) => match invocation.never() {
                Some(never) => Err(never.to_string()),
                None => rules
                    .verdict(&invocation, &target)
                    .map_err(|denied| denied.reason)
                    .map(|verdict| match verdict {
                        Verdict::Allow(rules) => (
                            Effect::Allow,
                            rules.into_iter().map(|rule| rule.id.id.clone()).collect(),
                        ),
                        Verdict::Confirm(rule) => (Effect::Confirm, vec![rule.id.id.clone()]),
                    }),
            },
        };
        let wrong = match &found {
            Err(_) if test.expect == Effect::Deny => None,
            Err(why) => Some(format!("this test is denied: {why}")),
            Ok((effect, by)) if *effect != test.expect => Some(format!(
                "this test is {}, by `{}`",
                effect.told(),
                by.join("`, `")
            )),
            Ok((effect, by)) => {
                let other = test.by.as_ref().filter(|wanted| !by.contains(wanted));
                other.map(|_| format!("this test is {} by `{}`", effect.told(), by.join("`, `")))
            }
        };
        wrong.map_or(Ok(()), |message| {
            Err(self.error(test.run.span(), &message, None))
        })
    }

    /// A command line as the newest version reads it that does.
    fn invocation(&self, text: &str) -> Result<Invocation, String> {
        let name = text.split_whitespace().next().unwrap_or_default();
        let tool: Tool = name
            .parse()
            .map_err(|()| format!("{} is not a tool", Excerpt::new(name)))?;
        let words = split(tool, text).map_err(|error| error.to_string())?;
        let mut wrong = format!("this server has no catalogue of {tool}");
        for catalogue in self
            .catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
        {
            match parse(catalogue, words.clone(), None) {
                Ok(invocation) => return Ok(invocation),
                Err(error) => wrong = error.to_string(),
            }
        }
        Err(wrong)
    }

    /// The carried versions of a tool, newest first: `1.37.2 or 1.36.6`.
    fn versions(&self, tool: Tool) -> String {
        let versions: Vec<&str> = self
            .catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
            .map(Catalogue::version)
            .collect();
        versions.join(" or ")
    }

    fn catalogue(&self, tool: Tool) -> Option<&Catalogue> {
        self.catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
    }

    fn error(&self, span: Range<usize>, message: &str, help: Option<String>) -> PolicyError {
        PolicyError::new(&self.file, span, message, help)
    }
}

/// Flags that the types of the operands depend on (command/operand): added later, they would make
/// another command of what was judged. Found by the fuzz target `monotonic`.
const AIMING: [&str; 13] = [
    "all-namespaces",
    "app-namespace",
    "appset-namespace",
    "copy-to",
    "field-selector",
    "from",
    "generate-name",
    "name",
    "namespaces",
    "project",
    "resource-name",
    "selector",
    "serviceaccount",
];

const VERB_CLASSES: [&str; 8] = [
    "destructive",
    "exec",
    "interactive",
    "listener",
    "local",
    "read",
    "secret",
    "write",
];
const FLAG_CLASSES: [&str; 11] = [
    "endpoint",
    "identity",
    "listener",
    "plain",
    "reads-file",
    "reveals-secret",
    "runs-program",
    "unbounded",
    "url",
    "verbosity",
    "writes-file",
];

fn flag_class(name: &str) -> Option<FlagClass> {
    FlagClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}

/// `64KiB`, `1MiB`, `4096`.
fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = text
        .find(|c: char| !c.is_ascii_digit())
        .map_or((text, ""), |at| text.split_at(at));
    let unit = match unit {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

fn long_name(flag: &str) -> &str {
    flag.strip_prefix("--").unwrap_or(flag)
}

/// What the author may have meant.
fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest::nearest(word, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Policy, PolicyError> {
        let files = [PolicyFile {
            name: "p.toml".into(),
            text: text.into(),
        }];
        Policy::load(&files, &Catalogue::carried().unwrap())
            .map_err(|mut errors| errors.0.remove(0))
    }

    const HEAD: &str = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\n";

    #[test]
    fn a_wrong_name_is_refused_with_its_place_and_the_nearest_one() {
        for (body, line, column, message, help) in [
            (
                "verbs = [\"gett\"]",
                7,
                10,
                "no verb `gett`",
                Some("did you mean `get`?"),
            ),
            (
                "verbs = [\"get\"]\nflags = [\"--selecter\"]",
                8,
                10,
                "no verb of this rule has the flag",
                Some("did you mean `--selector`?"),
            ),
            (
                "verbs = [\"get\"]\nresources = [\"po\"]",
                8,
                14,
                "not the canonical name",
                Some("its canonical name is `pods`"),
            ),
            (
                "verbs = [\"get\"]\nresources = \"@reads\"",
                8,
                13,
                "there is no set `reads`",
                None,
            ),
            (
                "verbs = [\"get\"]\nresources = [\"pods\", \"@reads\"]",
                8,
                22,
                "there is no set `reads`",
                None,
            ),
            (
                "verbs = [\"get\"]\nflags = [\"--token\"]",
                8,
                10,
                "--token is never allowed",
                None,
            ),
            ("verbs = [\"config view\"]", 7, 10, "is never allowed", None),
            (
                "verbs = [\"get\"]\nmatches = [\"kubectl describe pods\"]",
                8,
                12,
                "does not match this example",
                None,
            ),
            (
                "verbs = [\"get\"]\nrejects = [\"kubectl get pods\"]",
                8,
                12,
                "matches this example, which it should reject",
                None,
            ),
            (
                "verbs = [\"logs\"]\nvalues = { \"--tail\" = [\"9..1\"] }",
                8,
                24,
                "this range is empty",
                None,
            ),
            (
                "verbs = [\"get\"]\nverb = 1",
                8,
                1,
                "unknown field `verb`",
                None,
            ),
            // Classes.
            (
                "verbs = [\"@reed\"]",
                7,
                10,
                "there is no class `reed` of verbs",
                Some("did you mean `read`?"),
            ),
            (
                "verbs = [\"get\"]\nflags = [\"@unbounded\"]",
                8,
                10,
                "can do harm",
                Some("only `@plain` stands for flags that are not named"),
            ),
            (
                "verbs = [\"get\"]\nflags = [\"@plane\"]",
                8,
                10,
                "no set and no class `plane` of flags",
                Some("did you mean `plain`?"),
            ),
            (
                "verbs = [\"get\"]\nflags = [\"--output\"]",
                8,
                10,
                "--output needs its values listed",
                Some("list the values that are meant: values = { \"--output\" = [\"…\"] }"),
            ),
            (
                "verbs = [\"get\"]\nvalues = { \"--output\" = [\"jsonpath-file=*\"] }",
                8,
                26,
                "is never allowed",
                None,
            ),
            (
                "verbs = [\"get\", \"debug\"]\nflags = [\"--profile\"]",
                8,
                10,
                "--profile is never allowed with `kubectl get`",
                None,
            ),
            // Rules that never match.
            ("verbs = []", 7, 9, "about no verb", None),
            (
                "verbs = [\"get\"]\nnamespaces = []",
                8,
                14,
                "an empty list matches nothing",
                Some("leave the key out to match everything"),
            ),
            (
                "verbs = [\"get\"]\nvalues = { \"--output\" = [] }",
                8,
                25,
                "no value of --output is accepted",
                None,
            ),
            (
                "verbs = [\"logs\"]\nvalues = { \"--tail\" = [\"..60s\"] }",
                8,
                24,
                "--tail takes a whole number, so `..60s` never matches",
                None,
            ),
            (
                "verbs = [\"wait\"]\nvalues = { \"--timeout\" = [\"0..30\"] }",
                8,
                27,
                "--timeout takes a duration like 30s",
                None,
            ),
            (
                "verbs = [\"wait\"]\nvalues = { \"--timeout\" = [\"..0s\"] }",
                8,
                27,
                "this range is empty",
                None,
            ),
            (
                "verbs = [\"get\"]\nvalues = { \"--watch\" = [\"no\"] }",
                8,
                25,
                "--watch takes true or false",
                None,
            ),
            (
                "verbs = [\"get\", \"wait\"]\nrequire = [\"--timeout\"]",
                8,
                12,
                "`kubectl get` has no --timeout, so this rule never matches it",
                Some("put the verb into a rule of its own"),
            ),
            (
                "verbs = [\"get\"]\nmax_operands = 0\nnames = [\"web\"]",
                9,
                9,
                "wants a name and accepts none",
                None,
            ),
            (
                "verbs = [\"logs\"]\nrequire = [\"--tail\"]\ninject = { \"--tail\" = \"5\" }",
                9,
                12,
                "--tail is required, so it is never added",
                None,
            ),
            (
                "verbs = [\"logs\"]\ninject = { \"--tail\" = \"many\" }",
                8,
                23,
                "--tail takes a whole number",
                None,
            ),
            (
                "verbs = [\"get\"]\ntimeout = \"0s\"",
                8,
                11,
                "a timeout is a duration",
                None,
            ),
            (
                "verbs = [\"get\"]\nmax_output = \"64K\"",
                8,
                14,
                "max_output is a size",
                None,
            ),
            (
                "verbs = [\"get\"]\nmax_lines = 0",
                8,
                13,
                "max_lines is a number",
                None,
            ),
        ] {
            let error = load(&format!("{HEAD}{body}\n")).unwrap_err();
            assert!(error.message.contains(message), "{error}");
            assert_eq!(
                (error.line, error.column, error.help.as_deref()),
                (line, column, help),
                "{error}"
            );
        }
    }

    #[test]
    fn deny_beats_allow_whatever_the_order() {
        let rule = |id: &str, effect: &str| {
            format!(
                "[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\n"
            )
        };
        for text in [
            format!("schema = 1\n{}{}", rule("a", "allow"), rule("d", "deny")),
            format!("schema = 1\n{}{}", rule("d", "deny"), rule("a", "allow")),
        ] {
            let policy = load(&text).unwrap();
            let catalogues = Catalogue::carried().unwrap();
            let invocation =
                parse(&catalogues[0], vec!["get".into(), "pods".into()], None).unwrap();
            assert!(
                matches!(policy.decide(invocation, &Target::default()), super::super::Decision::Deny(denied) if denied.rule.as_ref().unwrap().id == "d")
            );
        }
    }

    #[test]
    fn each_rule_and_test_tells_its_first_error() {
        let text = format!(
            "{HEAD}verbs = [\"gett\"]\n{}verbs = [\"get\"]\nflags = [\"--nope\"]\n",
            HEAD.replace("schema = 1\n", "").replace("\"a\"", "\"b\"")
        );
        let files = [PolicyFile {
            name: "p.toml".into(),
            text,
        }];
        let errors = Policy::load(&files, &Catalogue::carried().unwrap())
            .unwrap_err()
            .0;
        assert_eq!(
            errors.iter().map(|error| error.line).collect::<Vec<_>>(),
            [7, 14],
            "{errors:?}"
        );
    }

    #[test]
    fn what_is_hardly_meant_is_a_lint() {
        let text = format!(
            "{HEAD}verbs = [\"delete\", \"get\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"delete\"]\n[sets]\nunused = [\"pods\"]\n"
        );
        let policy = load(&text).unwrap();
        let lints: Vec<_> = policy
            .lints()
            .map(|lint| (lint.line, lint.message.as_str()))
            .collect();
        assert_eq!(
            lints,
            [
                (
                    3,
                    "`kubectl delete` of this rule never runs: `d` on line 9 denies it"
                ),
                (15, "no rule uses the set `unused`")
            ]
        );
        let reads_all = load(&format!("{HEAD}verbs = [\"get\"]\n")).unwrap();
        assert!(
            reads_all
                .lints()
                .next()
                .unwrap()
                .message
                .contains("Secrets too")
        );
    }

    #[test]
    fn a_rule_is_about_its_callers_and_clusters() {
        use super::super::Decision as D;
        let policy = load(&format!(
            "{HEAD}verbs = [\"get\"]\nresources = [\"pods\"]\nprincipals = [\"ci-*\"]\ngroups = [\"sre\"]\nclusters = [\"*.staging.example.com\"]\nmatches = [\"kubectl get pods\"]\n"
        ))
        .unwrap();
        let asked = |principal: &str, groups: &[&str], cluster: &[&str]| {
            let catalogues = Catalogue::carried().unwrap();
            let invocation =
                parse(&catalogues[0], vec!["get".into(), "pods".into()], None).unwrap();
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let target = Target {
                principal: principal.into(),
                groups: own(groups),
                cluster: own(cluster),
                ..Target::default()
            };
            matches!(policy.decide(invocation, &target), D::Allow(_))
        };
        let staging = &["api.staging.example.com", "api.staging.example.com:6443"][..];
        assert!(asked("ci-web", &[], staging));
        assert!(asked("anna", &["dev", "sre"], staging));
        assert!(!asked("anna", &["dev"], staging));
        assert!(!asked("anonymous", &[], staging));
        assert!(!asked("ci-web", &[], &["api.prod.example.com"]));
        assert!(
            !asked("ci-web", &[], &[]),
            "a rule about clusters needs one"
        );
    }

    #[test]
    fn the_tightest_bounds_count() {
        use super::super::Decision as D;
        let text = |timeout: &str, most: &str| {
            let bounds =
                format!("timeout = \"{timeout}\"\nmax_output = \"{most}\"\nmax_lines = 20\n");
            format!("{HEAD}verbs = [\"get\"]\nresources = [\"pods\"]\n{bounds}")
        };
        let files = [("60s", "16KiB"), ("10s", "1MiB")].map(|(timeout, most)| PolicyFile {
            name: "p.toml".into(),
            text: text(timeout, most),
        });
        let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
        let D::Allow(approved) = decide(&policy, "get pods") else {
            panic!("allowed")
        };
        let timeout = Some(std::time::Duration::from_secs(10));
        assert_eq!(
            approved.bounds(),
            Bounds {
                timeout,
                max_output_bytes: Some(16 * 1024),
                max_lines: NonZeroU64::new(20)
            }
        );
    }

    #[test]
    fn names_and_words_behind_a_dash_are_matched() {
        use super::super::Decision as D;
        let allowed = |body: &str, words: &str| {
            matches!(
                decide(&load(&format!("{HEAD}{body}\n")).unwrap(), words),
                D::Allow(_)
            )
        };
        let named = "verbs = [\"delete\"]\nresources = [\"pods\", \"deployments.apps\"]\nnames = [\"web-*\"]\nflags = [\"--selector\", \"--all\"]";
        for (words, expected) in [
            ("delete pod web-0", true),
            ("delete deploy/web-a pod/web-0", true),
            ("delete pod db-0", false),
            ("delete pod web-0 db-0", false),
            ("delete pods -l app=web", false),
            ("delete pods --all", false),
        ] {
            assert_eq!(allowed(named, words), expected, "{words}");
        }
        let unnamed =
            "verbs = [\"delete\"]\nresources = [\"pods\"]\nmax_names = 0\nflags = [\"--selector\"]";
        assert!(allowed(unnamed, "delete pods -l app=web"));
        assert!(!allowed(unnamed, "delete pod/web-0"));
        let exec = "verbs = [\"exec\"]\nresources = [\"pods\"]\nafter_dash = true";
        assert!(allowed(exec, "exec web-0 -- ls -la"));
        assert!(!allowed(
            "verbs = [\"exec\"]\nresources = [\"pods\"]",
            "exec web-0 -- ls -la"
        ));
    }

    #[test]
    fn a_rule_about_namespaces_means_those_inside_of_operands_and_nothing_outside() {
        use super::super::Decision as D;
        let policy = load(&format!(
            "{HEAD}verbs = [\"get\", \"delete\", \"cordon\"]\nnamespaces = [\"team-*\"]\n"
        ))
        .unwrap();
        for (words, expected) in [
            ("delete pod web -n team-b", true),
            ("delete ns kube-system -n team-b", false),
            ("delete ns team-b", false),
            ("delete node n1", false),
            ("cordon n1", false),
            ("get pods,nodes", false),
            ("get widgets.v1.example.com", false),
        ] {
            assert_eq!(
                matches!(decide(&policy, words), D::Allow(_)),
                expected,
                "{words}"
            );
        }
        let lists =
            load(&format!("{HEAD}verbs = [\"get\"]\nresources = [\"namespaces\", \"nodes\"]\nnamespaces = [\"team-*\"]\n")).unwrap();
        for (words, expected) in [
            ("get ns team-b", true),
            ("get ns", false),
            ("get ns default", false),
            ("get nodes", true),
        ] {
            assert_eq!(
                matches!(decide(&lists, words), D::Allow(_)),
                expected,
                "{words}"
            );
        }
    }

    /// Rules by their lines; `a` is allowed, `c` confirmed, `d` denied, each for kubectl unless it
    /// says `tool`.
    fn rules(lines: &[&str]) -> String {
        let mut text = "schema = 1\n".to_owned();
        for (at, line) in lines.iter().enumerate() {
            let (effect, body) = line.split_once(' ').unwrap();
            let effect = match effect {
                "a" => "allow",
                "c" => "confirm",
                _ => "deny",
            };
            let tool = if body.contains("tool =") {
                ""
            } else {
                "tool = \"kubectl\"\n"
            };
            text += &format!(
                "[[rule]]\nid = \"r{at}\"\neffect = \"{effect}\"\nreason = \"r\"\n{tool}{}\n",
                body.replace("; ", "\n")
            );
        }
        text
    }

    fn effect(lines: &[&str], command: &str) -> &'static str {
        use super::super::Decision as D;
        let policy = load(&rules(lines)).unwrap_or_else(|error| panic!("{lines:?}: {error}"));
        let tool: Tool = command.split(' ').next().unwrap().parse().unwrap();
        let catalogues = Catalogue::carried().unwrap();
        let catalogue = catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
            .unwrap();
        let Ok(invocation) = parse(catalogue, split(tool, command).unwrap(), None) else {
            return "refused";
        };
        match policy.decide(
            invocation,
            &Target {
                namespace: "prod".into(),
                ..Target::default()
            },
        ) {
            D::Allow(_) => "allow",
            D::Confirm(_) => "confirm",
            D::Deny(_) => "deny",
        }
    }

    /// Each was a way around a rule once.
    #[test]
    fn a_rule_is_not_dodged() {
        for (rules, command, expected) in [
            // `@plain` is what is plain for the verb that is asked for.
            (
                &[r#"a verbs = ["get", "wait", "delete"]; flags = ["@plain"]"#][..],
                "kubectl delete pods --all",
                "deny",
            ),
            (
                &[r#"a verbs = ["get", "wait", "delete"]; flags = ["@plain"]"#],
                "kubectl get pods --show-labels",
                "allow",
            ),
            (
                &[r#"a tool = "argocd"; verbs = ["*"]; flags = ["@plain"]"#],
                "argocd app get web -o json",
                "deny",
            ),
            // A flag or an operand of which a confirm rule does not know.
            (
                &[
                    r#"a verbs = ["delete"]; flags = ["--ignore-not-found"]"#,
                    r#"c verbs = ["delete"]"#,
                ],
                "kubectl delete pod web --ignore-not-found",
                "confirm",
            ),
            (
                &[
                    r#"a verbs = ["get"]; flags = ["--all-namespaces"]"#,
                    r#"c verbs = ["get"]; resources = ["secrets"]"#,
                ],
                "kubectl get secrets,pods -A",
                "confirm",
            ),
            (
                &[
                    r#"a verbs = ["scale"]; flags = ["--replicas"]"#,
                    r#"c verbs = ["scale"]; namespaces = ["prod"]"#,
                ],
                "kubectl scale deploy/web --replicas=0",
                "confirm",
            ),
            (
                &[
                    r#"a verbs = ["delete"]"#,
                    r#"c verbs = ["delete"]; names = ["db"]"#,
                ],
                "kubectl delete pod db x",
                "confirm",
            ),
            (
                &[
                    r#"a verbs = ["delete"]; require = ["--dry-run"]; values = { "--dry-run" = ["client"] }"#,
                    r#"c verbs = ["delete"]"#,
                ],
                "kubectl delete pod x --dry-run=client",
                "allow",
            ),
            // Custom resources: their namespace, and their other names.
            (
                &[
                    r#"a verbs = ["delete"]; resources = ["certificates.cert-manager.io"]; namespaces = ["team-a"]"#,
                ],
                "kubectl delete certificates.v1.cert-manager.io web",
                "deny",
            ),
            (
                &[
                    r#"a verbs = ["get"]"#,
                    r#"d verbs = ["get"]; resources = ["sealedsecrets.bitnami.com"]"#,
                ],
                "kubectl get sealedsecret.v1alpha1.bitnami.com",
                "deny",
            ),
            (
                &[r#"a verbs = ["get"]"#],
                "kubectl get vs.v1.networking.istio.io",
                "refused",
            ),
            // Lists: every element.
            (
                &[
                    r#"a verbs = ["create deployment"]; values = { "--image" = ["registry.example.com/*"] }"#,
                ],
                "kubectl create deployment a --image=registry.example.com/a,evil.example/b",
                "deny",
            ),
            (
                &[
                    r#"a verbs = ["create role"]; flags = ["--verb", "--resource"]"#,
                    r#"d verbs = ["create role"]; values = { "--resource" = ["secrets"] }"#,
                ],
                "kubectl create role a --verb=get --resource=pods,secrets",
                "deny",
            ),
            (
                &[
                    r#"a tool = "helm"; verbs = ["upgrade"]; charts = ["oci://ok/*"]; values = { "--set" = ["image.tag=*"] }"#,
                ],
                "helm upgrade web oci://ok/web --set image.tag=1,image.repository=evil",
                "deny",
            ),
            // What stands behind `--` is an argument like any other.
            (
                &[
                    r#"a verbs = ["get", "exec"]; after_dash = true"#,
                    r#"d verbs = ["get"]; resources = ["secrets"]"#,
                ],
                "kubectl get -- secrets db",
                "refused",
            ),
            // Namespaces inside of operands, and verbs that have none.
            (
                &[
                    r#"a tool = "istioctl"; verbs = ["experimental metrics"]; namespaces = ["team-a"]"#,
                ],
                "istioctl x metrics web.kube-system",
                "deny",
            ),
            (
                &[
                    r#"a tool = "istioctl"; verbs = ["uninstall"]; flags = ["--revision"]; namespaces = ["team-a"]"#,
                ],
                "istioctl uninstall --revision x -n team-a",
                "deny",
            ),
            (
                &[r#"a tool = "argocd"; verbs = ["app delete"]; namespaces = ["team-a"]"#],
                "argocd app delete web",
                "deny",
            ),
            (
                &[r#"a tool = "argocd"; verbs = ["app delete"]; namespaces = ["argocd"]"#],
                "argocd app delete argocd/web",
                "allow",
            ),
            (
                &[r#"a tool = "argocd"; verbs = ["cluster rm"]; namespaces = ["argocd"]"#],
                "argocd cluster rm prod",
                "deny",
            ),
            (
                &[
                    r#"a tool = "argocd"; verbs = ["app delete"]; flags = ["--selector"]; namespaces = ["team-a"]"#,
                ],
                "argocd app delete -l a=b",
                "deny",
            ),
            (
                &[
                    r#"a tool = "argocd"; verbs = ["app sync"]; flags = ["--selector"]; names = ["web"]"#,
                ],
                "argocd app sync web -l a=b",
                "refused",
            ),
            (
                &[r#"a verbs = ["cluster-info dump"]; namespaces = ["prod"]"#],
                "kubectl cluster-info dump",
                "deny",
            ),
            // Prefixes, hosts, formats, and what a flag names.
            (
                &[
                    r#"a verbs = ["describe"]"#,
                    r#"d verbs = ["describe"]; names = ["vault-*"]"#,
                ],
                "kubectl describe pod vaul",
                "deny",
            ),
            (
                &[
                    r#"a verbs = ["describe"]"#,
                    r#"d verbs = ["describe"]; namespaces = ["kube-*"]"#,
                ],
                "kubectl describe ns kub",
                "deny",
            ),
            (
                &[r#"a tool = "helm"; verbs = ["template"]; charts = ["https://*.example.com/*"]"#],
                "helm template a https://evil.net/x.example.com/y.tgz",
                "deny",
            ),
            (
                &[r#"a tool = "helm"; verbs = ["template"]; charts = ["*"]"#],
                "helm template a https://a.example.com:443@evil.net/y.tgz",
                "refused",
            ),
            (
                &[
                    r#"a verbs = ["get"]; values = { "--output" = ["*"] }"#,
                    r#"d verbs = ["get"]; values = { "--output" = ["yaml"] }"#,
                ],
                "kubectl get pods -o YAML",
                "deny",
            ),
            (
                &[r#"a verbs = ["expose"]; flags = ["--name", "--port"]; names = ["web"]"#],
                "kubectl expose deploy web --port=80 --name=payments",
                "deny",
            ),
            (
                &[
                    r#"a verbs = ["set env"]; values = { "--from" = ["*"] }"#,
                    r#"d verbs = ["set env"]; resources = ["secrets"]"#,
                ],
                "kubectl set env deploy/web --from=secret/db",
                "deny",
            ),
            // What is added is judged as well.
            (
                &[
                    r#"a verbs = ["get"]; inject = { "--show-labels" = "true" }"#,
                    r#"d verbs = ["get"]; flags = ["--show-labels"]"#,
                ],
                "kubectl get pods",
                "deny",
            ),
            (
                &[r#"a verbs = ["logs"]; inject = { "--tail" = "500" }"#],
                "kubectl logs web --tail=-1",
                "deny",
            ),
        ] {
            assert_eq!(effect(rules, command), expected, "{rules:?}\n{command}");
        }
    }

    #[test]
    fn which_of_two_rules_stands_first_does_not_decide() {
        use super::super::Decision as D;
        // Found by the fuzz target `monotonic`: the other file does not allow what the first rule
        // adds.
        let adds = r#"a verbs = ["get"]; flags = ["--show-labels"]; inject = { "--show-labels" = "true" }"#;
        let plain = r#"a verbs = ["get"]"#;
        for first in [[adds, plain], [plain, adds]] {
            let files = [&first[..], &[plain]].map(|lines| PolicyFile {
                name: "p.toml".into(),
                text: rules(lines),
            });
            let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
            let D::Allow(approved) = decide(&policy, "get pods") else {
                panic!("one rule of each file allows it")
            };
            assert_eq!(
                approved.invocation().argv().join(" "),
                "kubectl --v=0 get pods.v1."
            );
        }
        let both = [adds, plain].map(|line| PolicyFile {
            name: "p.toml".into(),
            text: rules(&[line]),
        });
        let policy = Policy::load(&both, &Catalogue::carried().unwrap()).unwrap();
        assert!(
            matches!(decide(&policy, "get pods"), D::Deny(_)),
            "what one file adds the other does not allow"
        );
        // Found by it too: two files that add different values, one of which accepts both.
        let any = r#"a verbs = ["get"]; values = { "--output" = ["wide", "json"] }; inject = { "--output" = "wide" }"#;
        let one = r#"a verbs = ["get"]; values = { "--output" = ["json"] }; inject = { "--output" = "json" }"#;
        for order in [[any, one], [one, any]] {
            let files = order.map(|line| PolicyFile {
                name: "p.toml".into(),
                text: rules(&[line]),
            });
            let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
            assert!(
                matches!(decide(&policy, "get pods"), D::Deny(_)),
                "{order:?}"
            );
        }
        let three = [adds, plain, r#"c verbs = ["get"]"#].map(|line| PolicyFile {
            name: "p.toml".into(),
            text: rules(&[line]),
        });
        let policy = Policy::load(&three, &Catalogue::carried().unwrap()).unwrap();
        assert!(
            matches!(decide(&policy, "get pods"), D::Deny(_)),
            "and a third that asks is no way around it"
        );
    }

    #[test]
    fn an_added_flag_has_the_class_that_it_has_with_its_verb() {
        use super::super::Decision as D;
        // Found by the fuzz target `monotonic`: --output reveals secrets with `status` and not with
        // `list`.
        let text = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"helm\"\nverbs = [\"list\", \"status\"]\n\
                    flags = [\"--output\"]\ninject = { \"--output\" = \"json\" }\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\n\
                    tool = \"helm\"\nverbs = [\"list\", \"status\"]\nflags = [\"@plain\"]\n";
        let policy = Policy::load(
            &[PolicyFile {
                name: "p.toml".into(),
                text: text.into(),
            }],
            &Catalogue::carried().unwrap(),
        )
        .unwrap();
        let catalogues = Catalogue::carried().unwrap();
        let helm = catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == Tool::Helm)
            .unwrap();
        let decide = |words| {
            policy.decide(
                parse(helm, split(Tool::Helm, words).unwrap(), None).unwrap(),
                &Target::default(),
            )
        };
        assert!(matches!(decide("list"), D::Deny(_)));
        assert!(matches!(decide("status web"), D::Allow(_)));
    }

    #[test]
    fn a_rule_that_is_weaker_than_it_reads_does_not_load() {
        for (rule, message) in [
            (
                r#"a verbs = ["delete"]; require = ["--dry-run"]"#,
                "some of its values do nothing",
            ),
            (
                r#"a verbs = ["get"]; values = { "--output" = ["*"] }; inject = { "--output" = "jsonpath-file=/etc/passwd" }"#,
                "is never allowed",
            ),
            (
                r#"a verbs = ["get", "logs"]; inject = { "--tail" = "500" }"#,
                "not every verb of this rule has --tail",
            ),
            (
                r#"a verbs = ["logs"]; inject = { "--help" = "true" }"#,
                "nothing would run but help",
            ),
            (
                r#"a verbs = ["get"]; inject = { "--all-namespaces" = "true" }"#,
                "chooses what a command is about",
            ),
            (
                r#"a verbs = ["get"]; charts = ["x"]"#,
                "only helm's commands name charts",
            ),
            (
                r#"a verbs = ["get"]; namespaces = ["Prod"]"#,
                "is no glob of namespaces",
            ),
            (
                r#"a verbs = ["get"]; clusters = ["https://prod.example.com"]"#,
                "is no glob of cluster names",
            ),
            (
                r#"a verbs = ["get"]; principals = [""]"#,
                "an empty text matches nothing",
            ),
        ] {
            let error = load(&rules(&[rule])).unwrap_err();
            assert!(error.message.contains(message), "{rule}: {error}");
        }
    }

    fn decide(policy: &Policy, words: &str) -> super::super::Decision {
        let catalogues = Catalogue::carried().unwrap();
        let invocation = parse(&catalogues[0], split(Tool::Kubectl, words).unwrap(), None).unwrap();
        policy.decide(
            invocation,
            &Target {
                namespace: "team-a".into(),
                ..Target::default()
            },
        )
    }

    #[test]
    fn a_rule_keeps_to_its_namespaces_the_contexts_own_included() {
        use super::super::Decision as D;
        let policy = load(&format!(
            "{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\nnamespaces = [\"team-*\"]\n"
        ))
        .unwrap();
        assert!(
            matches!(decide(&policy, "get pods"), D::Allow(_)),
            "the context's namespace is team-a"
        );
        assert!(matches!(decide(&policy, "get pods -n team-b"), D::Allow(_)));
        assert!(
            matches!(decide(&policy, "get pods -n kube-system"), D::Deny(denied) if denied.hint.contains("team-*"))
        );
        assert!(matches!(decide(&policy, "get pods -A"), D::Deny(_)));
        let denies = load(&format!("{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nnamespaces = [\"kube-system\"]\n")).unwrap();
        assert!(matches!(decide(&denies, "get pods"), D::Allow(_)));
        assert!(
            matches!(decide(&denies, "get pods -A"), D::Deny(_)),
            "all of them include kube-system"
        );
    }

    #[test]
    fn flags_are_added_when_they_are_absent_and_only_then() {
        use super::super::Decision as D;
        let policy =
            load(&format!("{HEAD}verbs = [\"logs\"]\nvalues = {{ \"--tail\" = [\"0..500\"] }}\ninject = {{ \"--tail\" = \"100\" }}\n"))
                .unwrap();
        let argv = |words| match decide(&policy, words) {
            D::Allow(approved) => approved.invocation().argv().join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(argv("logs web-0"), "kubectl --v=0 logs --tail=100 web-0");
        assert_eq!(
            argv("logs web-0 --tail 5"),
            "kubectl --v=0 logs --tail=5 web-0"
        );
        assert_eq!(argv("logs --help"), "kubectl --v=0 logs --help=true");
        let error =
            load(&format!("{HEAD}verbs = [\"logs\"]\nvalues = {{ \"--tail\" = [\"0..500\"] }}\ninject = {{ \"--tail\" = \"501\" }}\n"))
                .unwrap_err();
        assert!(error.message.contains("does not accept"), "{error}");
    }

    #[test]
    fn a_rule_about_every_verb_does_not_allow_what_no_rule_may() {
        use super::super::Decision as D;
        let policy = load(&format!("{HEAD}verbs = [\"*\"]\n")).unwrap();
        assert!(matches!(decide(&policy, "cordon node1"), D::Allow(_)));
        for words in [
            "config view",
            "proxy",
            "port-forward web-0 8080",
            "edit deploy/web",
            "cp web-0:/x y",
        ] {
            assert!(
                matches!(decide(&policy, words), D::Deny(denied) if denied.reason.contains("never allowed")),
                "{words}"
            );
        }
        assert!(matches!(decide(&policy, "config --help"), D::Allow(_)));
    }

    #[test]
    fn deny_beats_confirm_and_confirm_beats_allow() {
        use super::super::Decision as D;
        let rule = |effect: &str, verbs: &str| {
            format!(
                "[[rule]]\nid = \"{effect}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [{verbs}]\n"
            )
        };
        let policy = load(&format!(
            "schema = 1\n{}{}{}",
            rule("allow", "\"get\", \"delete\", \"scale\""),
            rule("confirm", "\"delete\", \"scale\""),
            rule("deny", "\"delete\"")
        ))
        .unwrap();
        assert!(matches!(decide(&policy, "get pods"), D::Allow(_)));
        assert!(matches!(decide(&policy, "scale deploy/web"), D::Confirm(_)));
        assert!(matches!(decide(&policy, "delete pod x"), D::Deny(_)));
    }
}
