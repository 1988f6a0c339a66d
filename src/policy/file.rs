//! The shape of a policy file as it is written: TOML, each value with its place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::rule::Effect;
use crate::tool::Tool;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[schemars(with = "u32")]
    pub(super) schema: Spanned<u32>,
    #[serde(default, rename = "description")]
    _description: String,
    /// Files whose rules, sets and tests belong to this one: beside it, or `builtin:NAME`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) include: List,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) sets: Sets,
    #[serde(default)]
    #[schemars(with = "Vec<RawRule>")]
    pub(super) rule: Vec<RawRule>,
    #[serde(default)]
    pub(super) test: Vec<RawTest>,
}

/// Lists of resources or flags with a name, used as `"@name"`.
pub(super) type Sets = BTreeMap<String, Vec<Spanned<String>>>;

/// A list of texts with their places.
pub(super) type List = Vec<Spanned<String>>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    #[schemars(with = "String")]
    pub(super) id: Spanned<String>,
    pub(super) effect: Effect,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
    pub(super) tool: Tool,
    #[schemars(with = "Vec<String>")]
    pub(super) verbs: Spanned<List>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) principals: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) groups: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) clusters: Option<Spanned<List>>,
    #[schemars(with = "Option<Names>")]
    pub(super) resources: Option<Spanned<Names>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) flags: List,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub(super) values: BTreeMap<Spanned<String>, Spanned<List>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) require: List,
    #[schemars(with = "Option<usize>")]
    pub(super) max_operands: Option<Spanned<usize>>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) names: Option<Spanned<List>>,
    #[schemars(with = "Option<usize>")]
    pub(super) max_names: Option<Spanned<usize>>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) namespaces: Option<Spanned<List>>,
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) charts: Option<Spanned<List>>,
    #[serde(default)]
    pub(super) after_dash: bool,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) inject: BTreeMap<Spanned<String>, Spanned<String>>,
    /// Flags of `values` whose value is brought down to the end of its range where it is above it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) clamp: List,
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Spanned<String>>,
    #[schemars(with = "Option<String>")]
    pub(super) max_output: Option<Spanned<String>>,
    #[schemars(with = "Option<u64>")]
    pub(super) max_lines: Option<Spanned<u64>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) matches: List,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) rejects: List,
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    #[schemars(with = "String")]
    pub(super) run: Spanned<String>,
    pub(super) expect: Effect,
    pub(super) by: Option<String>,
    pub(super) principal: Option<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    pub(super) cluster: Option<String>,
    pub(super) namespace: Option<String>,
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
    schemars::schema_for!(RawFile).to_value()
}
