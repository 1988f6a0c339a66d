//! The `[api]` table of the settings: whose API requests are judged.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    mistake::SettingError,
    tool::{AccessKind, Tool},
};

/// Whether the API requests of a tool are judged by this server, which sends them on itself.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Judging {
    /// They are; one that the command does not explain is refused, and ends the call.
    Require,
    /// They are; one that the command does not explain is told, and sent on.
    Prefer,
    /// They are not: the tool holds the credential, and speaks to its server itself.
    Off,
}

impl Judging {
    /// How it is with a tool that the settings do not name: judged, where its table explains all that
    /// it asks.
    fn usual(tool: Tool) -> Self {
        match tool.spec().explains_all {
            true => Self::Require,
            false => Self::Off,
        }
    }
}

/// Whose API requests are judged, tool by tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgingSettings(BTreeMap<Tool, Judging>);

impl JudgingSettings {
    /// Returns how it is with a tool.
    pub fn of(&self, tool: Tool) -> Judging {
        self.0
            .get(&tool)
            .copied()
            .unwrap_or_else(|| Judging::usual(tool))
    }
}

/// The table `[api]`: a tool's name, and `require`, `prefer` or `off`.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct JudgingTable(BTreeMap<Tool, toml::Spanned<Judging>>);

impl JudgingTable {
    /// Reads the table.
    ///
    /// # Errors
    /// A tool whose requests are none of the Kubernetes API's, or not all explained.
    pub fn settings(self) -> Result<JudgingSettings, SettingError> {
        let mut settings = BTreeMap::new();
        for (tool, judging) in self.0 {
            let speaks = tool.spec().access == AccessKind::Kubeconfig;
            let wrong = |problem: String, help: &'static str| {
                Err(SettingError::new("api", Some(judging.span()), problem).help(help))
            };
            match judging.get_ref() {
                Judging::Off => {}
                _ if !speaks => {
                    let problem = format!("{tool} does not speak to the Kubernetes API");
                    return wrong(problem, "leave it out, or say off");
                }
                Judging::Require if !tool.spec().explains_all => {
                    let problem = format!("the table of what {tool} asks is not whole yet");
                    let help = "say prefer, which tells what is not explained, or off";
                    return wrong(problem, help);
                }
                Judging::Require | Judging::Prefer => {}
            }
            settings.insert(tool, judging.into_inner());
        }
        Ok(JudgingSettings(settings))
    }
}

/// By hand, like the table of tools that wait: the tools are keys of it.
impl JsonSchema for JudgingTable {
    fn schema_name() -> Cow<'static, str> {
        "JudgingTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let judging = generator.subschema_for::<Judging>().to_value();
        let tools = Tool::all().filter(|tool| tool.spec().access == AccessKind::Kubeconfig);
        let keys: serde_json::Map<String, serde_json::Value> = tools
            .map(|tool| {
                let usual = match Judging::usual(tool) {
                    Judging::Off => "off",
                    Judging::Require | Judging::Prefer => "require",
                };
                let description =
                    format!("Whether the API requests of {tool} are judged: `{usual}`.");
                let key = serde_json::json!({ "allOf": [&judging], "description": description });
                (tool.to_string(), key)
            })
            .collect();
        let description =
            "Whose requests of the Kubernetes API are judged, and sent on by this server.";
        json_schema!({ "type": "object", "description": description, "properties": keys, "additionalProperties": false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<JudgingSettings, SettingError> {
        toml::from_str::<JudgingTable>(text).unwrap().settings()
    }

    #[test]
    fn a_tool_is_judged_as_far_as_its_table_goes() {
        let settings = read("kubectl = \"require\"\nhelm = \"prefer\"\nargocd = \"off\"").unwrap();
        let usual = |tool| JudgingSettings::default().of(tool);
        for tool in [Tool::KUBECTL, Tool::HELM, Tool::ISTIOCTL] {
            assert_eq!(usual(tool), Judging::Require);
        }
        assert_eq!(usual(Tool::ARGOCD), Judging::Off);
        let of = [Tool::KUBECTL, Tool::HELM, Tool::ISTIOCTL].map(|tool| settings.of(tool));
        assert_eq!(of, [Judging::Require, Judging::Prefer, Judging::Require]);
        let settings = read("istioctl = \"off\"").unwrap();
        assert_eq!(settings.of(Tool::ISTIOCTL), Judging::Off);
        assert!(read("argocd = \"prefer\"").is_err());
    }
}
