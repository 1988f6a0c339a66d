//! Generated JSON + hand-written hazards -> [`Catalogue`]. The shapes are `docs/catalogue.md`'s.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    hazard::Hazards,
    name::CommandPath,
    tree::{Catalogue, CommandNode, Flag, FlagKind},
};
use crate::tool::Tool;

/// Why a catalogue does not load.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CatalogueError {
    /// Not the JSON of a catalogue.
    #[error("a catalogue is not readable")]
    Json(#[from] serde_json::Error),
    /// A command whose parent is missing.
    #[error("the catalogue of {tool} {version} has `{path}` but not its parent")]
    Orphan {
        tool: Tool,
        version: String,
        path: CommandPath,
    },
    /// A hazards file with an entry that cannot be read.
    #[error("{tool}.hazards.toml: {why}")]
    Hazards { tool: Tool, why: String },
}

#[derive(Deserialize)]
struct CatalogueFile {
    tool: Tool,
    version: String,
    commands: Vec<CommandRecord>,
}

#[derive(Deserialize)]
struct CommandRecord {
    #[serde(default)]
    path: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    flags: Vec<FlagRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlagRecord {
    name: String,
    #[serde(default)]
    shorthand: String,
    r#type: String,
    #[serde(default)]
    go_type: String,
    no_opt_def_val: Option<String>,
    #[serde(default)]
    defaults_on: bool,
    #[serde(default)]
    repeatable: bool,
    #[serde(default)]
    persistent: bool,
    #[serde(default)]
    hidden: bool,
}

impl Catalogue {
    /// The catalogues that this build carries, one per tool version, the newest of a tool first.
    ///
    /// # Errors
    /// A [`CatalogueError`] when a generated file was edited into something else.
    pub fn carried() -> Result<Vec<Self>, CatalogueError> {
        Tool::all()
            .flat_map(|tool| tool.spec().catalogues)
            .map(|json| Self::from_json(json))
            .collect()
    }

    /// Reads one generated catalogue and gives each verb and flag its class.
    ///
    /// # Errors
    /// [`CatalogueError`] when it is not JSON of the right shape, a command has no parent, or the
    /// tool's classes cannot be read.
    pub fn from_json(json: &str) -> Result<Self, CatalogueError> {
        let file: CatalogueFile = serde_json::from_str(json)?;
        let hazards = hazards(file.tool)?;
        let mut root = CommandNode::default();
        let mut commands = file.commands;
        commands.sort_by(|a, b| a.path.cmp(&b.path)); // parents sort before their children
        for command in commands {
            let node = CommandNode {
                path: CommandPath::new(command.path),
                aliases: command.aliases,
                hidden: command.hidden,
                flags: command.flags.into_iter().map(Flag::from).collect(),
                children: Vec::new(),
                hazard: None,
                operand_mask: None,
            };
            let node = classed(node, &hazards);
            if node.path.words().is_empty() {
                root = CommandNode {
                    children: root.children,
                    ..node
                };
                continue;
            }
            let path = node.path.clone();
            insert(&mut root, node).map_err(|()| CatalogueError::Orphan {
                tool: file.tool,
                version: file.version.clone(),
                path,
            })?;
        }
        Ok(Self {
            tool: file.tool,
            version: file.version,
            root,
        })
    }
}

fn hazards(tool: Tool) -> Result<Hazards, CatalogueError> {
    Hazards::from_toml(tool, tool.spec().hazards)
        .map_err(|why| CatalogueError::Hazards { tool, why })
}

fn classed(mut node: CommandNode, hazards: &Hazards) -> CommandNode {
    node.hazard = hazards.verb(&node.path).cloned();
    node.operand_mask = hazards.operand_mask(&node.path);
    for flag in &mut node.flags {
        flag.hazard = hazards.flag(&node.path, &flag.name).cloned();
        // A number or a switch is no credential.
        if matches!(flag.kind, FlagKind::Text | FlagKind::List) {
            flag.mask = hazards.mask(&flag.name, flag.hazard.as_ref());
        }
        flag.values = hazards.values(&node.path, &flag.name).cloned();
    }
    node
}

/// What the hazards files and the catalogues disagree about, a line each: verbs and flags without a
/// class, and entries that no version of the tool has.
///
/// # Errors
/// [`CatalogueError`] when a hazards file cannot be read.
pub fn unclassed(catalogues: &[Catalogue]) -> Result<Vec<String>, CatalogueError> {
    let mut lines = Vec::new();
    for tool in Tool::all() {
        let hazards = hazards(tool)?;
        let mut known = BTreeSet::new();
        for catalogue in catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
        {
            for node in catalogue.commands() {
                let verb = hazards.key(&node.path);
                if node.hazard.is_none() {
                    lines.push(format!(
                        "{tool} {}: the verb `{verb}` has no class",
                        catalogue.version()
                    ));
                }
                for flag in &node.flags {
                    if flag.hazard.is_none() {
                        lines.push(format!(
                            "{tool} {}: the flag `{verb} --{}` has no class",
                            catalogue.version(),
                            flag.name
                        ));
                    }
                    known.insert(("*".to_owned(), Some(flag.name.clone())));
                    known.insert((verb.clone(), Some(flag.name.clone())));
                }
                known.insert((verb, None));
            }
        }
        for (verb, flag) in hazards
            .keys()
            .filter(|(verb, flag)| !known.contains(&((*verb).to_owned(), flag.map(str::to_owned))))
        {
            let flag = flag.map(|flag| format!(" --{flag}")).unwrap_or_default();
            lines.push(format!(
                "{tool}.hazards.toml: no carried version of {tool} has `{verb}{flag}`"
            ));
        }
    }
    Ok(lines)
}

fn insert(root: &mut CommandNode, node: CommandNode) -> Result<(), ()> {
    let (_, parents) = node.path.words().split_last().ok_or(())?;
    let mut parent = root;
    for word in parents {
        parent = parent
            .children
            .iter_mut()
            .find(|child| child.name() == word)
            .ok_or(())?;
    }
    parent.children.push(node);
    Ok(())
}

impl From<FlagRecord> for Flag {
    fn from(raw: FlagRecord) -> Self {
        let kind = match raw.r#type.as_str() {
            "bool" => FlagKind::Bool,
            "duration" => FlagKind::Duration,
            "int" | "int32" | "int64" => FlagKind::Int,
            "uint" | "uint32" | "uint64" => FlagKind::Uint,
            "float32" | "float64" => FlagKind::Float,
            // klog's Level is a number; istioctl's is a word and stays text.
            "Level" if raw.go_type.contains("klog") => FlagKind::Int,
            "intSlice" | "int32Slice" | "int64Slice" => FlagKind::IntList,
            slice if slice.ends_with("Slice") => FlagKind::List,
            _ => FlagKind::Text,
        };
        Self {
            name: raw.name,
            shorthand: raw.shorthand.chars().next(),
            kind,
            value_if_bare: raw.no_opt_def_val.filter(|value| !value.is_empty()),
            is_on_by_default: raw.defaults_on,
            repeatable: raw.repeatable,
            persistent: raw.persistent,
            hidden: raw.hidden,
            hazard: None,
            mask: None,
            values: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{FlagIs, Grammar, NotYetWhat, VerbIs};

    #[test]
    fn the_carried_kubectl_has_its_known_shape() {
        let carried = Catalogue::carried().unwrap();
        let kubectl = carried
            .iter()
            .find(|catalogue| catalogue.tool() == Tool::KUBECTL)
            .unwrap();
        assert_eq!(kubectl.version(), "1.37.2");
        assert_eq!(
            kubectl.commands().count(),
            109,
            "nodes with the root, counted on the real tree"
        );
        let get = kubectl.root().child("get").unwrap();
        let output = get.flags.iter().find(|flag| flag.name == "output").unwrap();
        assert_eq!(
            (output.shorthand, output.kind, output.repeatable),
            (Some('o'), FlagKind::Text, false)
        );
        let delete = kubectl.root().child("delete").unwrap();
        let dry_run = delete
            .flags
            .iter()
            .find(|flag| flag.name == "dry-run")
            .unwrap();
        assert_eq!(dry_run.value_if_bare.as_deref(), Some("unchanged"));
        let is_on = |name: &str| {
            let mut flags = delete.flags.iter();
            flags
                .find(|flag| flag.name == name)
                .unwrap()
                .is_on_by_default
        };
        assert!(is_on("wait") && !is_on("force"));
        assert_eq!(
            kubectl
                .root()
                .child("top")
                .unwrap()
                .child("po")
                .unwrap()
                .path
                .to_string(),
            "top pod"
        );
    }

    #[test]
    fn every_carried_catalogue_has_as_many_commands_as_its_tool() {
        // Counted on the real trees, roots included (docs/catalogue.md).
        let counts: Vec<_> = Catalogue::carried()
            .unwrap()
            .iter()
            .map(|catalogue| (catalogue.tool(), catalogue.commands().count()))
            .collect();
        assert_eq!(
            counts,
            [
                (Tool::KUBECTL, 109),
                (Tool::KUBECTL, 109),
                (Tool::HELM, 61),
                (Tool::ISTIOCTL, 92),
                (Tool::ARGOCD, 171)
            ]
        );
    }

    #[test]
    fn a_command_without_its_parent_is_refused() {
        let json = r#"{"tool":"kubectl","version":"1","commands":[{"path":["rollout","status"]}]}"#;
        assert!(
            matches!(Catalogue::from_json(json), Err(CatalogueError::Orphan { path, .. }) if path.to_string() == "rollout status")
        );
    }

    #[test]
    fn every_row_about_a_tool_names_verbs_and_flags_that_it_has() {
        let carried = Catalogue::carried().unwrap();
        for tool in Tool::all() {
            let nodes: Vec<_> = carried
                .iter()
                .filter(|catalogue| catalogue.tool() == tool)
                .flat_map(Catalogue::commands)
                .collect();
            let has_verb = |verb: &str| nodes.iter().any(|node| node.path.to_string() == verb);
            let has_flag = |flag: &str| {
                let mut flags = nodes.iter().flat_map(|node| &node.flags);
                flags.any(|known| known.name == flag)
            };
            let spec = tool.spec();
            let needs = spec.needs.iter().map(|(commands, _)| commands);
            let not_yet = spec.not_yet.iter().filter_map(|row| match &row.what {
                NotYetWhat::Charts => None,
                NotYetWhat::Commands(commands) => Some(commands),
            });
            for commands in spec.offline.iter().chain(needs).chain(not_yet) {
                match commands.verb {
                    VerbIs::Any => {}
                    VerbIs::Exactly(verb) | VerbIs::Within(verb) => {
                        assert!(has_verb(verb), "{tool} has no {verb}");
                    }
                }
                match commands.flag {
                    FlagIs::Any => {}
                    FlagIs::Given(flag) | FlagIs::Not(flag, _) | FlagIs::Set(flag, _) => {
                        assert!(has_flag(flag), "{tool} has no --{flag}");
                    }
                }
            }
            let Grammar::Cobra(cobra) = &spec.grammar;
            for verb in cobra.programs.iter().chain(spec.prefix_verbs) {
                assert!(has_verb(verb), "{tool} has no {verb}");
            }
            for node in &nodes {
                let words: Vec<_> = node.path.words().iter().map(String::as_str).collect();
                for row in (spec.naming_flags)(&words) {
                    assert!(has_flag(row.flag), "{tool} has no --{}", row.flag);
                }
            }
        }
    }
}
