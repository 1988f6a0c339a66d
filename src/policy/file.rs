//! A TOML file with spans -> rules. A file whose examples fail does not load.
//!
//! Every name in it has to exist: keys, sets, verbs, flags, resources. An error says the line and
//! the column, and the nearest known name.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    Policy, Rules, never,
    rule::{Effect, Pattern, Rule, RuleId, Target, Verbs},
};
use crate::{
    catalogue::{Catalogue, CommandNode, CommandPath, Tool, flags_in_scope, resource},
    command::{parse, split},
    excerpt::Excerpt,
};

/// A policy file as it was read: its name in messages, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// The file's name, without its folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why a policy file does not load.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}{}", help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[schemars(with = "u32")]
    schema: Spanned<u32>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    sets: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    #[schemars(with = "Vec<RawRule>")]
    rule: Vec<Spanned<RawRule>>,
    #[serde(default)]
    test: Vec<Test>,
}

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
    verbs: Vec<Spanned<String>>,
    #[schemars(with = "Option<Names>")]
    resources: Option<Spanned<Names>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    flags: Vec<Spanned<String>>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    values: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    require: Vec<Spanned<String>>,
    max_operands: Option<usize>,
    names: Option<Vec<String>>,
    namespaces: Option<Vec<String>>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    inject: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    matches: Vec<Spanned<String>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    rejects: Vec<Spanned<String>>,
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

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
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
}

impl Policy {
    /// Loads files; all of them have to allow what is allowed.
    ///
    /// # Errors
    /// The first [`PolicyError`], with line and column.
    pub fn load(files: &[PolicyFile], catalogues: &[Catalogue]) -> Result<Self, PolicyError> {
        let files = files.iter().map(|file| Loading { file, catalogues }.rules()).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }
}

/// The JSON Schema of a policy file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

struct Loading<'a> {
    file: &'a PolicyFile,
    catalogues: &'a [Catalogue],
}

impl Loading<'_> {
    fn rules(&self) -> Result<Rules, PolicyError> {
        let file: File = toml::from_str(&self.file.text)
            .map_err(|error| self.error(error.span().map_or(0, |span| span.start), error.message(), None))?;
        if *file.schema.get_ref() != 1 {
            return Err(self.error(file.schema.span().start, "this server reads policy files of schema 1", None));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for raw in &file.rule {
            let rule = self.rule(raw, &file.sets)?;
            if let Some(known) = rules.iter().find(|known| known.id.id == rule.id.id) {
                return Err(self.error(
                    raw.get_ref().id.span().start,
                    &format!("the id `{}` is taken by the rule on line {}", rule.id.id, known.id.line),
                    None,
                ));
            }
            rules.push(rule);
        }
        let rules = Rules { name: self.file.name.clone(), rules };
        for (raw, rule) in file.rule.iter().zip(&rules.rules) {
            self.examples(raw.get_ref(), rule)?;
        }
        for test in &file.test {
            self.test(test, &rules)?;
        }
        Ok(rules)
    }

    fn rule(&self, spanned: &Spanned<RawRule>, sets: &BTreeMap<String, Vec<Spanned<String>>>) -> Result<Rule, PolicyError> {
        let raw = spanned.get_ref();
        let catalogue = self
            .catalogue(raw.tool)
            .ok_or_else(|| self.error(spanned.span().start, &format!("this server has no catalogue of {}", raw.tool), None))?;
        let (verbs, nodes) = self.verbs(raw, catalogue)?;
        let mut flags = Vec::new();
        for flag in raw.flags.iter().chain(&raw.require).chain(raw.values.keys()).chain(raw.inject.keys()) {
            let name = self.flag(raw, flag, &nodes, catalogue)?;
            if !flags.contains(&name) {
                flags.push(name);
            }
        }
        let mut values = BTreeMap::new();
        for (flag, patterns) in &raw.values {
            let patterns: Result<Vec<Pattern>, PolicyError> = patterns
                .iter()
                .map(|pattern| Pattern::parse(pattern.get_ref()).map_err(|why| self.error(pattern.span().start, why, None)))
                .collect();
            values.insert(long_name(flag.get_ref()).to_owned(), patterns?);
        }
        let id = RuleId { id: raw.id.get_ref().clone(), file: self.file.name.clone(), line: self.position(raw.id.span().start).0 };
        Ok(Rule {
            id,
            effect: raw.effect,
            reason: raw.reason.clone(),
            hint: raw.hint.clone(),
            tool: raw.tool,
            verbs,
            resources: self.resources(raw, sets)?,
            flags,
            require: raw.require.iter().map(|flag| long_name(flag.get_ref()).to_owned()).collect(),
            max_operands: raw.max_operands,
            names: raw.names.clone(),
            namespaces: raw.namespaces.clone(),
            inject: self.injected(raw, &values)?,
            values,
        })
    }

    /// The verbs of a rule and the commands they name.
    fn verbs<'c>(&self, raw: &RawRule, catalogue: &'c Catalogue) -> Result<(Verbs, Vec<&'c CommandNode>), PolicyError> {
        if let [all] = raw.verbs.as_slice()
            && all.get_ref() == "*"
        {
            return Ok((Verbs::All, catalogue.commands().collect()));
        }
        let mut nodes = Vec::new();
        for verb in &raw.verbs {
            let path = CommandPath::new(verb.get_ref().split_whitespace().map(str::to_owned).collect());
            let Some(node) = catalogue.lineage(&path).and_then(|lineage| lineage.last().copied()) else {
                let known: Vec<String> = catalogue.commands().map(|node| node.path.to_string()).collect();
                let message = format!("{} {} has no verb {}", raw.tool, catalogue.version(), Excerpt::new(verb.get_ref()));
                return Err(self.error(verb.span().start, &message, nearest(verb.get_ref(), known.iter().map(String::as_str))));
            };
            if raw.effect != Effect::Deny
                && let Some(why) = never::verb(raw.tool, verb.get_ref())
            {
                return Err(self.error(verb.span().start, &format!("`{} {}` is never allowed: {why}", raw.tool, verb.get_ref()), None));
            }
            nodes.push(node);
        }
        Ok((Verbs::These(raw.verbs.iter().map(|verb| verb.get_ref().clone()).collect()), nodes))
    }

    /// A flag that at least one verb of the rule has.
    fn flag(&self, raw: &RawRule, flag: &Spanned<String>, nodes: &[&CommandNode], catalogue: &Catalogue) -> Result<String, PolicyError> {
        let name = long_name(flag.get_ref());
        let mut known: Vec<&str> = Vec::new();
        for node in nodes {
            known.extend(catalogue.lineage(&node.path).iter().flat_map(|lineage| flags_in_scope(lineage)).map(|flag| flag.name.as_str()));
        }
        if !known.contains(&name) {
            let message =
                format!("no verb of this rule has the flag {} in {} {}", Excerpt::new(flag.get_ref()), raw.tool, catalogue.version());
            return Err(self.error(
                flag.span().start,
                &message,
                nearest(name, known.into_iter())
                    .map(|help| help.replace('`', "").replace("did you mean ", "did you mean `--").replace('?', "`?")),
            ));
        }
        if raw.effect != Effect::Deny
            && let Some(why) = never::flag(raw.tool, name)
        {
            return Err(self.error(flag.span().start, &format!("--{name} is never allowed: {why}"), None));
        }
        Ok(name.to_owned())
    }

    /// Flags to add; what is added has to be what the rule accepts.
    fn injected(&self, raw: &RawRule, values: &BTreeMap<String, Vec<Pattern>>) -> Result<BTreeMap<String, String>, PolicyError> {
        let mut injected = BTreeMap::new();
        for (flag, value) in &raw.inject {
            let name = long_name(flag.get_ref());
            if raw.effect == Effect::Deny {
                return Err(self.error(flag.span().start, "a deny rule starts nothing, so it adds no flag", None));
            }
            if values.get(name).is_some_and(|patterns| !patterns.iter().any(|pattern| pattern.matches(value.get_ref()))) {
                return Err(self.error(
                    value.span().start,
                    &format!("the rule itself does not accept {} for --{name}", Excerpt::new(value.get_ref())),
                    None,
                ));
            }
            injected.insert(name.to_owned(), value.get_ref().clone());
        }
        Ok(injected)
    }

    fn resources(&self, raw: &RawRule, sets: &BTreeMap<String, Vec<Spanned<String>>>) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = &raw.resources else { return Ok(None) };
        let names = match spanned.get_ref() {
            Names::List(names) => names,
            Names::Set(set) => {
                let name = set.strip_prefix('@').unwrap_or(set);
                sets.get(name).ok_or_else(|| {
                    self.error(
                        spanned.span().start,
                        &format!("there is no set {}", Excerpt::new(name)),
                        nearest(name, sets.keys().map(String::as_str)),
                    )
                })?
            }
        };
        for name in names {
            let custom = name.get_ref().split_once('.').is_some_and(|(_, group)| group.contains('.'));
            if !resource::is_canonical(name.get_ref()) && !custom {
                let known: Vec<String> = resource::all().collect();
                let help = resource::canonical(name.get_ref())
                    .map(|canonical| format!("its canonical name is `{canonical}`"))
                    .or_else(|| nearest(name.get_ref(), known.iter().map(String::as_str)));
                return Err(self.error(
                    name.span().start,
                    &format!("{} is not the canonical name of a resource", Excerpt::new(name.get_ref())),
                    help,
                ));
            }
        }
        Ok(Some(names.iter().map(|name| name.get_ref().clone()).collect()))
    }

    fn examples(&self, raw: &RawRule, rule: &Rule) -> Result<(), PolicyError> {
        for (examples, wanted) in [(&raw.matches, true), (&raw.rejects, false)] {
            for example in examples {
                let matched = match self.invocation(example.get_ref()) {
                    Err(_) if !wanted => continue,
                    Err(why) => return Err(self.error(example.span().start, &format!("this example does not parse: {why}"), None)),
                    Ok(invocation) => match rule.effect {
                        Effect::Allow | Effect::Confirm => rule.accepts(&invocation, &Target::default()).map_err(Some),
                        Effect::Deny => rule.forbids(&invocation, &Target::default()).then_some(()).ok_or(None),
                    },
                };
                match (matched, wanted) {
                    (Ok(()), true) | (Err(_), false) => {}
                    (Ok(()), false) => {
                        return Err(self.error(
                            example.span().start,
                            &format!("rule `{}` matches this example, which it should reject", rule.id.id),
                            None,
                        ));
                    }
                    (Err(mismatch), true) => {
                        let why = mismatch.map(|mismatch| format!(": {mismatch:?}")).unwrap_or_default();
                        return Err(self.error(
                            example.span().start,
                            &format!("rule `{}` does not match this example{why}", rule.id.id),
                            None,
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn test(&self, test: &Test, rules: &Rules) -> Result<(), PolicyError> {
        let found = match self.invocation(test.run.get_ref()) {
            Err(why) => Err(why),
            Ok(invocation) => rules.verdict(&invocation, &Target::default()).map_err(|denied| denied.reason),
        };
        let wrong = match &found {
            Err(_) if test.expect == Effect::Deny => None,
            Err(why) => Some(format!("this test is denied: {why}")),
            Ok(rule) if rule.effect != test.expect => Some(format!("this test is {}, by `{}`", rule.effect.told(), rule.id.id)),
            Ok(rule) => {
                test.by.as_ref().filter(|by| **by != rule.id.id).map(|_| format!("this test is {} by `{}`", rule.effect.told(), rule.id.id))
            }
        };
        wrong.map_or(Ok(()), |message| Err(self.error(test.run.span().start, &message, None)))
    }

    fn invocation(&self, text: &str) -> Result<crate::command::Invocation, String> {
        let name = text.split_whitespace().next().unwrap_or_default();
        let tool: Tool = name.parse().map_err(|()| format!("{} is not a tool", Excerpt::new(name)))?;
        let catalogue = self.catalogue(tool).ok_or_else(|| format!("this server has no catalogue of {tool}"))?;
        let words = split(tool, text).map_err(|error| error.to_string())?;
        parse(catalogue, words, None).map_err(|error| error.to_string())
    }

    fn catalogue(&self, tool: Tool) -> Option<&Catalogue> {
        self.catalogues.iter().find(|catalogue| catalogue.tool() == tool)
    }

    fn error(&self, at: usize, message: &str, help: Option<String>) -> PolicyError {
        let (line, column) = self.position(at);
        PolicyError { file: self.file.name.clone(), line, column, message: message.to_owned(), help }
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.file.text.get(..at).unwrap_or(&self.file.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

fn long_name(flag: &str) -> &str {
    flag.strip_prefix("--").unwrap_or(flag)
}

fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    let best = known
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Policy, PolicyError> {
        Policy::load(&[PolicyFile { name: "p.toml".into(), text: text.into() }], &Catalogue::carried().unwrap())
    }

    const HEAD: &str = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\n";

    #[test]
    fn a_wrong_name_is_refused_with_its_place_and_the_nearest_one() {
        for (body, line, column, message, help) in [
            ("verbs = [\"gett\"]", 7, 10, "no verb `gett`", Some("did you mean `get`?")),
            ("verbs = [\"get\"]\nflags = [\"--selecter\"]", 8, 10, "no verb of this rule has the flag", Some("did you mean `--selector`?")),
            ("verbs = [\"get\"]\nresources = [\"po\"]", 8, 14, "not the canonical name", Some("its canonical name is `pods`")),
            ("verbs = [\"get\"]\nresources = \"@reads\"", 8, 13, "there is no set `reads`", None),
            ("verbs = [\"get\"]\nflags = [\"--token\"]", 8, 10, "--token is never allowed", None),
            ("verbs = [\"config view\"]", 7, 10, "is never allowed", None),
            ("verbs = [\"get\"]\nmatches = [\"kubectl describe pods\"]", 8, 12, "does not match this example", None),
            ("verbs = [\"get\"]\nrejects = [\"kubectl get pods\"]", 8, 12, "matches this example, which it should reject", None),
            ("verbs = [\"logs\"]\nvalues = { \"--tail\" = [\"9..1\"] }", 8, 24, "this range is empty", None),
            ("verbs = [\"get\"]\nverb = 1", 8, 1, "unknown field `verb`", None),
        ] {
            let error = load(&format!("{HEAD}{body}\n")).unwrap_err();
            assert!(error.message.contains(message), "{error}");
            assert_eq!((error.line, error.column, error.help.as_deref()), (line, column, help), "{error}");
        }
    }

    #[test]
    fn deny_beats_allow_whatever_the_order() {
        let rule = |id: &str, effect: &str| {
            format!("[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\n")
        };
        for text in [
            format!("schema = 1\n{}{}", rule("a", "allow"), rule("d", "deny")),
            format!("schema = 1\n{}{}", rule("d", "deny"), rule("a", "allow")),
        ] {
            let policy = load(&text).unwrap();
            let catalogues = Catalogue::carried().unwrap();
            let invocation = parse(&catalogues[0], vec!["get".into(), "pods".into()], None).unwrap();
            assert!(
                matches!(policy.decide(invocation, &Target::default()), super::super::Decision::Deny(denied) if denied.rule.as_ref().unwrap().id == "d")
            );
        }
    }

    fn decide(policy: &Policy, words: &str) -> super::super::Decision {
        let catalogues = Catalogue::carried().unwrap();
        let invocation = parse(&catalogues[0], split(Tool::Kubectl, words).unwrap(), None).unwrap();
        policy.decide(invocation, &Target { namespace: "team-a".into() })
    }

    #[test]
    fn a_rule_keeps_to_its_namespaces_the_contexts_own_included() {
        use super::super::Decision as D;
        let policy = load(&format!("{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\nnamespaces = [\"team-*\"]\n")).unwrap();
        assert!(matches!(decide(&policy, "get pods"), D::Allow(_)), "the context's namespace is team-a");
        assert!(matches!(decide(&policy, "get pods -n team-b"), D::Allow(_)));
        assert!(matches!(decide(&policy, "get pods -n kube-system"), D::Deny(denied) if denied.hint.contains("team-*")));
        assert!(matches!(decide(&policy, "get pods -A"), D::Deny(_)));
        let denies = load(&format!("{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nnamespaces = [\"kube-system\"]\n")).unwrap();
        assert!(matches!(decide(&denies, "get pods"), D::Allow(_)));
        assert!(matches!(decide(&denies, "get pods -A"), D::Deny(_)), "all of them include kube-system");
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
        assert_eq!(argv("logs web-0 --tail 5"), "kubectl --v=0 logs --tail=5 web-0");
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
        for words in ["config view", "proxy", "port-forward web-0 8080", "edit deploy/web", "cp web-0:/x y"] {
            assert!(matches!(decide(&policy, words), D::Deny(denied) if denied.reason.contains("never allowed")), "{words}");
        }
        assert!(matches!(decide(&policy, "config --help"), D::Allow(_)));
    }

    #[test]
    fn deny_beats_confirm_and_confirm_beats_allow() {
        use super::super::Decision as D;
        let rule = |effect: &str, verbs: &str| {
            format!("[[rule]]\nid = \"{effect}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [{verbs}]\n")
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
