//! The shape of a catalogue: [`Catalogue`], [`CommandNode`], [`Flag`], as cobra and pflag see them.

use super::{
    hazard::{FlagHazard, FlagValues, ReadsData, VerbHazard},
    mask::{Mask, OperandMask},
    name::CommandPath,
};
use crate::tool::Tool;

/// How a flag's value is written and checked (pflag's `Value.Type()`, folded to what differs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// `--flag`, `--flag=true`; never takes the next word.
    Bool,
    /// Go's `time.ParseDuration`.
    Duration,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// A decimal number.
    Float,
    /// Several values, with commas between them in one (pflag's `...Slice` types, which read CSV).
    List,
    /// Several signed integers, written likewise.
    IntList,
    /// Any text; maps too, whose inner grammar is the tool's.
    Text,
}

/// One flag of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The long name, without dashes.
    pub name: String,
    /// The one-letter form.
    pub shorthand: Option<char>,
    /// What its value may be.
    pub kind: FlagKind,
    /// pflag's `NoOptDefVal`: the value of the bare flag, which then never takes the next word.
    pub value_if_bare: Option<String>,
    /// Whether a switch is on where nobody names it; `false` of what is no switch.
    pub is_on_by_default: bool,
    /// Whether a repetition adds a value; a scalar keeps only the last one, so it is refused.
    pub repeatable: bool,
    /// Whether the commands below have it too.
    pub persistent: bool,
    /// Hidden from the tool's help.
    pub hidden: bool,
    /// Its class; without one it can never be allowed.
    pub hazard: Option<FlagHazard>,
    /// What of its value records do not show.
    pub mask: Option<Mask>,
    /// What rules see in its values, beside what they are.
    pub values: Option<FlagValues>,
}

impl Flag {
    /// Why no rule may allow the flag, or this value of it, when none may.
    pub fn never(&self, value: Option<&str>) -> Option<String> {
        let Some(hazard) = &self.hazard else {
            return Some(UNCLASSED.into());
        };
        hazard
            .never()
            .or_else(|| value.and_then(|value| hazard.never_value(value)))
    }

    /// Whether what it reads of them is objects.
    pub fn is_manifest(&self) -> bool {
        self.hazard.as_ref().is_some_and(FlagHazard::is_manifest)
    }

    /// Why no rule may allow any value that this glob stands for, when none may.
    pub fn never_any_of(&self, glob: &str) -> Option<String> {
        // The names of a request's files are its caller's to choose.
        match self.data() {
            Some(_) => self.never(Some(&glob.replace(['*', '?'], "x"))),
            None => self.never(Some(glob)),
        }
    }

    /// Which of a request's own texts it reads, if it does.
    pub fn data(&self) -> Option<ReadsData> {
        self.hazard.as_ref().and_then(FlagHazard::data)
    }
}

/// Why a verb or a flag without a class is denied.
const UNCLASSED: &str = "nobody has classed it for this version yet; `kube-airlock catalogue check` lists what is missing";

/// One command: a verb, or a group of verbs.
#[derive(Clone, Debug, Default)]
pub struct CommandNode {
    /// The canonical path.
    pub path: CommandPath,
    /// Other names of the last word.
    pub aliases: Vec<String>,
    /// Hidden from the tool's help.
    pub hidden: bool,
    /// The flags declared here, persistent ones included.
    pub flags: Vec<Flag>,
    /// The commands below.
    pub children: Vec<CommandNode>,
    /// Its class; without one it can never be allowed.
    pub hazard: Option<VerbHazard>,
    /// What of its operands records do not show.
    pub operand_mask: Option<OperandMask>,
}

impl CommandNode {
    /// Why no rule may allow the verb, when none may.
    pub fn never(&self) -> Option<String> {
        self.hazard
            .as_ref()
            .map_or_else(|| Some(UNCLASSED.into()), VerbHazard::never)
    }

    /// The last word of the path; empty for the root.
    pub fn name(&self) -> &str {
        self.path.words().last().map_or("", String::as_str)
    }

    /// The child that `word` chooses, by name or alias, as cobra does: exact and case-sensitive.
    pub fn child(&self, word: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.name() == word || child.aliases.iter().any(|alias| alias == word))
    }
}

/// All that one version of one tool can do.
#[derive(Debug)]
pub struct Catalogue {
    pub(super) tool: Tool,
    pub(super) version: String,
    pub(super) root: CommandNode,
}

impl Catalogue {
    /// The tool this describes.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    /// The version it was generated from, without a leading `v`: `1.37.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The root command.
    pub fn root(&self) -> &CommandNode {
        &self.root
    }

    /// The nodes from the root to `path`, or `None` when there is no such command.
    pub fn lineage(&self, path: &CommandPath) -> Option<Vec<&CommandNode>> {
        let mut lineage = vec![&self.root];
        let mut node = &self.root;
        for word in path.words() {
            node = node.children.iter().find(|child| child.name() == word)?;
            lineage.push(node);
        }
        Some(lineage)
    }

    /// Every command, parents before children.
    pub fn commands(&self) -> impl Iterator<Item = &CommandNode> {
        let mut waiting = vec![&self.root];
        std::iter::from_fn(move || {
            let node = waiting.pop()?;
            waiting.extend(node.children.iter().rev());
            Some(node)
        })
    }
}

/// The flags that a command accepts: its own, then its ancestors' persistent ones, nearest first.
/// That is cobra's answer on every command of the four tools (`docs/catalogue.md`).
pub(crate) fn flags_in_scope<'a>(lineage: &[&'a CommandNode]) -> impl Iterator<Item = &'a Flag> {
    // A flag hides the one of its name further up, the shorthand with it (pflag v1.0.10 flag.go,
    // AddFlagSet).
    let mut names = std::collections::BTreeSet::new();
    candidates(lineage).filter(move |flag| names.insert(flag.name.as_str()))
}

/// The same, with those that a nearer flag of their name hides.
fn candidates<'a>(lineage: &[&'a CommandNode]) -> impl Iterator<Item = &'a Flag> {
    let own = lineage.last().into_iter().flat_map(|node| &node.flags);
    let ancestors = lineage
        .split_last()
        .map_or(&[][..], |(_, ancestors)| ancestors);
    own.chain(
        ancestors
            .iter()
            .rev()
            .flat_map(|node| node.flags.iter().filter(|flag| flag.persistent)),
    )
}

/// The flag of this name that a command accepts.
pub(crate) fn flag_named<'a>(lineage: &[&'a CommandNode], name: &str) -> Option<&'a Flag> {
    candidates(lineage).find(|flag| flag.name == name)
}

/// The flag with this one-letter form that a command accepts.
pub(crate) fn flag_lettered<'a>(lineage: &[&'a CommandNode], letter: char) -> Option<&'a Flag> {
    let is_hidden = |flag: &Flag| {
        flag_named(lineage, &flag.name).is_none_or(|nearest| !std::ptr::eq(nearest, flag))
    };
    candidates(lineage).find(|flag| flag.shorthand == Some(letter) && !is_hidden(flag))
}
