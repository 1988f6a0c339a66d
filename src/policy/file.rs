//! The shape of a policy file as it is written: TOML, each value with its place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::effect::Effect;
use crate::{
    conditions::{ForbiddenPart, PodSecurity},
    schema::for_editors,
    tool::Tool,
};

/// A policy file of kube-airlock: rules about the commands that callers may run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    /// The version of this format: 1.
    #[schemars(with = "u32")]
    pub(super) schema: Spanned<u32>,
    /// What the policy is for, for its readers.
    #[serde(default, rename = "description")]
    _description: String,
    /// Files whose rules, sets and tests belong to this one: beside it, or `builtin:NAME`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) include: List,
    /// Globs of named clusters that rules without `clusters` are about too: those of this file, and
    /// of what it includes.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) open_clusters: Option<Spanned<List>>,
    /// Lists of resources or flags with a name, used as `"@name"`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) sets: Sets,
    /// The rules: what none of them allows is denied; deny beats confirm, confirm beats allow.
    #[serde(default)]
    #[schemars(with = "Vec<RawRule>")]
    pub(super) rule: Vec<RawRule>,
    /// Commands with the decision that the whole file has to give them; a file whose tests fail does not
    /// load.
    #[serde(default)]
    pub(super) test: Vec<RawTest>,
}

/// Lists of resources or flags with a name, used as `"@name"`.
pub(super) type Sets = BTreeMap<String, Vec<Spanned<String>>>;

/// A list of texts with their places.
pub(super) type List = Vec<Spanned<String>>;

/// A rule: what it is about, and what happens to it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    /// The name of the rule: callers, records and errors have it. Unique in the policy.
    #[schemars(with = "String")]
    pub(super) id: Spanned<String>,
    /// What happens to a command that the rule matches.
    pub(super) effect: Effect,
    /// Why, in a sentence that callers read.
    pub(super) reason: String,
    /// What a caller should do instead; for deny and confirm.
    pub(super) hint: Option<String>,
    /// The tool that the rule is about.
    pub(super) tool: Tool,
    /// The verbs by canonical path (`rollout restart`), `"@read"` for every verb of a class, or `["*"]`.
    #[schemars(with = "Vec<String>")]
    pub(super) verbs: Spanned<List>,
    /// Globs of who asks, by the name of their `[[caller]]`; one of these or of `groups` has to match.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) principals: Option<Spanned<List>>,
    /// Globs of the groups of who asks; one of these or of `principals` has to match.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) groups: Option<Spanned<List>>,
    /// Globs of the cluster: its own name, its host, or `host:port`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) clusters: Option<Spanned<List>>,
    /// The resources that the command may name, by canonical name (`pods`, `deployments.apps`), or the name
    /// of a set; kubectl only.
    #[schemars(with = "Option<Names>")]
    pub(super) resources: Option<Spanned<Names>>,
    /// The flags that may be used with any value, by long name with its dashes; `"@plain"` is every flag
    /// that can do no harm. `--namespace` and `--help` always may.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) flags: List,
    /// The flags that may be used with these values only: texts with `*`, ranges like `0..500` and `..60s`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) values: BTreeMap<Spanned<String>, Spanned<List>>,
    /// The flags that the command has to have.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) require: List,
    /// The most words that are neither verb nor flag.
    #[schemars(with = "Option<usize>")]
    pub(super) max_operands: Option<Spanned<usize>>,
    /// Globs of the objects, releases or applications that the command names; it has to name one.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) names: Option<Spanned<List>>,
    /// The most names; 0 is for commands about all of a type, or a selection.
    #[schemars(with = "Option<usize>")]
    pub(super) max_names: Option<Spanned<usize>>,
    /// Globs of namespaces; `--all-namespaces` needs `"*"`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) namespaces: Option<Spanned<List>>,
    /// Globs of charts; without it no chart may be read. helm only.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) charts: Option<Spanned<List>>,
    /// Globs of `KEY=VALUE` or `KEY`: all that the command writes has to be listed. An image is `image=IMAGE`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) pairs: Option<Spanned<List>>,
    /// Globs of requirements of a label selector, one of which `--selector` has to hold.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) selectors: Option<Spanned<List>>,
    /// Globs of Argo CD's projects, which the command has to name.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) projects: Option<Spanned<List>>,
    /// Globs of the filters that may stand behind `|`; an empty list accepts none.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) filters: Option<Spanned<List>>,
    /// Days on which the rule counts: `mon`, `mon-fri`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) days: Option<Spanned<List>>,
    /// Hours in which the rule counts: `08:00-18:00`.
    #[schemars(with = "Option<String>")]
    pub(super) hours: Option<Spanned<String>>,
    /// The zone of `days` and `hours`: `UTC`, or how far it is ahead, `+01:00`.
    #[schemars(with = "Option<String>")]
    pub(super) time_zone: Option<Spanned<String>>,
    /// How often one caller may use the rule: `10/1m`.
    #[schemars(with = "Option<String>")]
    pub(super) rate: Option<Spanned<String>>,
    /// The objects that the command may carry, by one entry or several; a rule without is about commands
    /// without objects.
    #[serde(default)]
    pub(super) objects: Vec<RawObjects>,
    /// The id of an allow rule: the rule asks only about what that one does not accept. For confirm.
    #[schemars(with = "Option<String>")]
    pub(super) beyond: Option<Spanned<String>>,
    /// Whether words may follow `--`.
    #[serde(default)]
    pub(super) after_dash: bool,
    /// Flags that are added with this value where they are absent.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) inject: RawFlags,
    /// What is added instead of `inject` where a filter stands behind the command.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) inject_piped: Option<RawFlags>,
    /// Flags of `values` whose value is brought down to the end of its range where it is above it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) clamp: List,
    /// The longest that a call may take: `60s`.
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Spanned<String>>,
    /// The most text of each stream that the caller gets: `64KiB`.
    #[schemars(with = "Option<String>")]
    pub(super) max_output: Option<Spanned<String>>,
    /// The most lines of each stream; with the last one the command is ended.
    #[schemars(with = "Option<u64>")]
    pub(super) max_lines: Option<Spanned<u64>>,
    /// The most text that a request may bring in `stdin` and `files`: `64KiB`.
    #[schemars(with = "Option<String>")]
    pub(super) max_data: Option<Spanned<String>>,
    /// The most objects that a call may write or delete; with one more it is ended.
    #[schemars(with = "Option<u32>")]
    pub(super) max_objects: Option<Spanned<u32>>,
    /// Commands that this rule has to match, or the file does not load.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) matches: List,
    /// Commands that this rule must not match, or the file does not load.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) rejects: List,
}

/// Objects that a command may carry, and the conditions that they have to meet.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawObjects {
    /// Their resources, by canonical name, or the name of a set; without it any.
    #[schemars(with = "Option<Names>")]
    pub(super) resources: Option<Spanned<Names>>,
    /// Globs of their names.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) names: Option<Spanned<List>>,
    /// Globs of their namespaces, beside those of the rule.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) namespaces: Option<Spanned<List>>,
    /// `KEY=VALUE` with `*` in the value, or `KEY`: all of these labels have to be there.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) labels: List,
    /// The level of the Pod Security Standards that their pods keep to.
    #[schemars(with = "Option<PodSecurity>")]
    pub(super) pod_security: Option<Spanned<PodSecurity>>,
    /// Globs of whole names of images: `docker.io/library/nginx:*`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) images: Option<Spanned<List>>,
    /// What they may not have.
    #[serde(default)]
    #[schemars(with = "Vec<ForbiddenPart>")]
    pub(super) forbid: Vec<Spanned<ForbiddenPart>>,
}

/// A list of names, or the name of a set: `"@readable"`.
pub(super) enum Names {
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

/// A command, who sends it where, and the decision that it has to get.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    /// The command line, with its tool.
    #[schemars(with = "String")]
    pub(super) run: Spanned<String>,
    /// The objects that it carries, as YAML or JSON.
    #[schemars(with = "Option<String>")]
    pub(super) stdin: Option<Spanned<String>>,
    /// The decision that it has to get.
    pub(super) expect: Effect,
    /// The id of the rule that has to decide.
    pub(super) by: Option<String>,
    /// Who asks; without it nobody who is known.
    pub(super) principal: Option<String>,
    /// The groups of who asks.
    #[serde(default)]
    pub(super) groups: Vec<String>,
    /// A name of the cluster.
    pub(super) cluster: Option<String>,
    /// The namespace of the kubeconfig's context; without it `default`.
    pub(super) namespace: Option<String>,
    /// The moment at which it runs, for rules with hours: `2026-11-30T09:00:00Z`.
    #[schemars(with = "Option<String>")]
    pub(super) at: Option<Spanned<String>>,
}

/// Flags and the values that they are added with.
pub(super) type RawFlags = BTreeMap<Spanned<String>, Spanned<String>>;

impl RawRule {
    /// What it adds, with a filter behind the command or without one.
    pub(super) fn added(&self) -> impl Iterator<Item = (&Spanned<String>, &Spanned<String>)> {
        self.inject.iter().chain(self.inject_piped.iter().flatten())
    }
}

impl RawFile {
    /// How many examples and tests it has.
    pub(super) fn examples(&self) -> usize {
        let of_rule = |raw: &RawRule| raw.matches.len() + raw.rejects.len();
        self.rule.iter().map(of_rule).sum::<usize>() + self.test.len()
    }
}

/// The JSON Schema of a policy file, for editors.
pub fn schema() -> serde_json::Value {
    for_editors(schemars::schema_for!(RawFile).to_value(), "policy")
}
