//! `kube-airlock catalogue list [TOOL [VERB…]]`

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use super::report::{AnswerForm, CodedError, CommandEnd, print_json};
use crate::{
    catalogue::{
        Catalogue, CommandNode, CommandPath, Flag, FlagClass, FlagKind, flags_in_scope, resource,
    },
    excerpt::Excerpt,
    nearest::nearest,
    tool::{RuleLists, Tool, UnknownTool},
};

/// Show what rules can name: tools, their verbs, a verb's flags, resources.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kube-airlock catalogue list                              # the tools, their versions
  kube-airlock catalogue list kubectl                      # its verbs with their class, its resources
  kube-airlock catalogue list kubectl rollout restart      # the verb's flags, and which of them `@plain` covers
  kube-airlock catalogue list kubectl get --json | jq '.flags[] | select(.plain) | .flag'")]
pub struct ListCatalogue {
    /// A tool
    tool: Option<String>,
    /// A verb of it
    verb: Vec<String>,
    /// The version of the tool, or its beginning [default: the newest]
    #[arg(long, value_name = "VERSION", requires = "tool")]
    of: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ToolsReport<'c> {
    tools: Vec<ToolReport<'c>>,
}

#[derive(Serialize)]
struct ToolReport<'c> {
    tool: Tool,
    version: &'c str,
    verbs: usize,
}

#[derive(Serialize)]
struct VerbsReport<'c> {
    tool: Tool,
    version: &'c str,
    verbs: Vec<VerbReport<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<ResourceReport>,
}

#[derive(Serialize)]
struct VerbReport<'c> {
    verb: String,
    /// None: nobody has classed it, and no rule can allow it.
    class: Option<&'static str>,
    aliases: &'c [String],
    /// The reason why no rule can allow it, when none can.
    never: Option<String>,
    /// The note for authors of rules.
    why: Option<&'c str>,
}

#[derive(Serialize)]
struct ResourceReport {
    resource: String,
    namespaced: bool,
    other_names: Vec<&'static str>,
}

#[derive(Serialize)]
struct FlagsReport<'c> {
    tool: Tool,
    version: &'c str,
    #[serde(flatten)]
    verb: VerbReport<'c>,
    flags: Vec<FlagReport<'c>>,
}

#[derive(Serialize)]
struct FlagReport<'c> {
    flag: String,
    shorthand: Option<char>,
    takes: &'static str,
    class: Option<&'static str>,
    /// True where `"@plain"` stands for it.
    plain: bool,
    /// True where a rule has to list the values that it accepts.
    needs_values: bool,
    never: Option<String>,
    why: Option<&'c str>,
    /// Globs of the only values that a rule can allow.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    only: &'c [String],
    /// Globs of values that no rule can allow.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not: &'c [String],
}

impl ListCatalogue {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let catalogues = Catalogue::carried()?;
        let Some(tool) = &self.tool else {
            let tools = catalogues.iter().map(ToolReport::new).collect();
            return self.show(&ToolsReport { tools });
        };
        let catalogue = self.catalogue(&catalogues, tool)?;
        match self.verb.is_empty() {
            true => self.show(&VerbsReport::new(catalogue)),
            false => self.show(&FlagsReport::new(catalogue, &self.verb)?),
        }
    }

    fn show(&self, answer: &(impl Serialize + fmt::Display)) -> CommandEnd {
        match self.json {
            true => print_json(answer)?,
            false => write!(io::stdout(), "{answer}")?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn catalogue<'c>(
        &self,
        catalogues: &'c [Catalogue],
        tool: &str,
    ) -> Result<&'c Catalogue, Box<dyn Error>> {
        let tool: Tool = tool.parse().map_err(|UnknownTool| {
            let known = Tool::names().to_string();
            unknown(
                "tool",
                tool,
                known.split(", "),
                format!("the tools are {known}"),
            )
        })?;
        let is_meant = |catalogue: &&Catalogue| {
            let of = self.of.as_deref().unwrap_or_default();
            catalogue.tool() == tool && catalogue.version().starts_with(of)
        };
        catalogues.iter().find(is_meant).ok_or_else(|| {
            let of_tool = catalogues
                .iter()
                .filter(|catalogue| catalogue.tool() == tool);
            let versions: Vec<&str> = of_tool.map(Catalogue::version).collect();
            let message = format!("there are {}", versions.join(" and "));
            unknown(
                "version",
                self.of.as_deref().unwrap_or_default(),
                [],
                message,
            )
            .into()
        })
    }
}

/// An error about a name that nothing has.
fn unknown<'n>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    otherwise: String,
) -> CodedError {
    let near = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
    CodedError {
        code: "unknown_name",
        message: format!("there is no {what} {}", Excerpt::new(name)),
        advice: vec![near.unwrap_or(otherwise)],
    }
}

impl<'c> ToolReport<'c> {
    fn new(catalogue: &'c Catalogue) -> Self {
        Self {
            tool: catalogue.tool(),
            version: catalogue.version(),
            verbs: catalogue.commands().count(),
        }
    }
}

impl fmt::Display for ToolsReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tools.iter().try_for_each(|report| {
            let (tool, version) = (report.tool.as_str(), report.version);
            writeln!(out, "{tool:<9} {version:<8} {} verbs", report.verbs)
        })
    }
}

impl<'c> VerbsReport<'c> {
    fn new(catalogue: &'c Catalogue) -> Self {
        let has_resources = catalogue.tool().spec().lists == RuleLists::NamesAndResources;
        let resources = resource::all().filter(|_| has_resources);
        Self {
            tool: catalogue.tool(),
            version: catalogue.version(),
            verbs: catalogue.commands().map(VerbReport::new).collect(),
            resources: resources
                .map(|name| ResourceReport {
                    namespaced: resource::is_namespaced(&name),
                    other_names: resource::other_names(&name),
                    resource: name,
                })
                .collect(),
        }
    }
}

impl fmt::Display for VerbsReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{} {}: verbs, and the class of each",
            self.tool, self.version
        )?;
        for verb in self.verbs.iter().filter(|verb| !verb.verb.is_empty()) {
            writeln!(out, "  {:<28} {}", verb.verb, verb.said())?;
        }
        if !self.resources.is_empty() {
            writeln!(out, "resources; custom ones are `plural.group`")?;
        }
        for resource in &self.resources {
            let place = match resource.namespaced {
                true => "",
                false => "  outside of namespaces",
            };
            let names = resource.other_names.join(", ");
            writeln!(out, "  {:<60} {names}{place}", resource.resource)?;
        }
        Ok(())
    }
}

impl<'c> VerbReport<'c> {
    fn new(node: &'c CommandNode) -> Self {
        let hazard = node.hazard.as_ref();
        Self {
            verb: node.path.to_string(),
            class: hazard.map(|hazard| hazard.class.as_str()),
            aliases: &node.aliases,
            never: node.never(),
            why: hazard.and_then(|hazard| hazard.why.as_deref()),
        }
    }

    /// `destructive   never: …` or what an author should know.
    fn said(&self) -> String {
        let class = self.class.unwrap_or("no class");
        let said = match (&self.never, self.why) {
            (Some(never), _) => format!("never allowed: {never}"),
            (None, why) => why.unwrap_or_default().to_owned(),
        };
        format!("{class:<12} {said}").trim_end().to_owned()
    }
}

impl<'c> FlagsReport<'c> {
    fn new(catalogue: &'c Catalogue, verb: &[String]) -> Result<Self, CodedError> {
        let path = CommandPath::new(verb.to_vec());
        let lineage = catalogue.lineage(&path).ok_or_else(|| {
            let verbs: Vec<String> = catalogue
                .commands()
                .map(|node| node.path.to_string())
                .collect();
            let near = verbs.iter().map(String::as_str);
            let all = format!(
                "`kube-airlock catalogue list {}` shows all",
                catalogue.tool()
            );
            unknown("verb", &verb.join(" "), near, all)
        })?;
        let mut flags: Vec<FlagReport<'_>> =
            flags_in_scope(&lineage).map(FlagReport::new).collect();
        flags.sort_by(|one, other| one.flag.cmp(&other.flag));
        let node = lineage.last().copied().unwrap_or_else(|| catalogue.root());
        Ok(Self {
            tool: catalogue.tool(),
            version: catalogue.version(),
            verb: VerbReport::new(node),
            flags,
        })
    }
}

impl fmt::Display for FlagsReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tool, verb) = (self.tool, &self.verb);
        writeln!(out, "{tool} {}: {}", verb.verb, verb.said())?;
        if !verb.aliases.is_empty() {
            writeln!(out, "  also called {}", verb.aliases.join(", "))?;
        }
        for plain in [true, false] {
            writeln!(
                out,
                "{}",
                match plain {
                    true => "flags that `@plain` covers",
                    false => "flags that a rule has to name",
                }
            )?;
            let of_kind = |flag: &&FlagReport<'_>| flag.plain == plain;
            for flag in self.flags.iter().filter(of_kind) {
                write!(out, "{flag}")?;
            }
        }
        Ok(())
    }
}

impl<'c> FlagReport<'c> {
    fn new(flag: &'c Flag) -> Self {
        let hazard = flag.hazard.as_ref();
        let class = hazard.map(|hazard| hazard.class);
        let never = flag.never(None);
        Self {
            flag: format!("--{}", flag.name),
            shorthand: flag.shorthand,
            takes: takes(flag.kind),
            class: class.map(FlagClass::as_str),
            plain: never.is_none() && class == Some(FlagClass::Plain),
            needs_values: class.is_some_and(FlagClass::needs_values),
            never,
            why: hazard.and_then(|hazard| hazard.why.as_deref()),
            only: hazard.map_or(&[], |hazard| hazard.only()),
            not: hazard.map_or(&[], |hazard| hazard.not()),
        }
    }
}

impl fmt::Display for FlagReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self
            .shorthand
            .map_or(String::new(), |letter| format!(", -{letter}"));
        let flag = format!("{}{short}", self.flag);
        let mut said = match (&self.never, self.why) {
            (Some(never), _) => format!("never allowed: {never}"),
            (None, why) => why.unwrap_or_default().to_owned(),
        };
        if self.never.is_none() && self.needs_values {
            said = format!("with its values listed; {said}");
        }
        let class = self.class.unwrap_or("no class");
        let line = format!("  {flag:<34} {:<12} {class:<14} {said}", self.takes);
        writeln!(out, "{}", line.trim_end())
    }
}

/// Names what a flag takes.
fn takes(kind: FlagKind) -> &'static str {
    match kind {
        FlagKind::Bool => "true, false",
        FlagKind::Duration => "duration",
        FlagKind::Float => "number",
        FlagKind::Int | FlagKind::Uint => "whole number",
        FlagKind::IntList => "numbers",
        FlagKind::List => "list",
        FlagKind::Text => "text",
    }
}
