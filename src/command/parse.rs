//! Words + [`Catalogue`] -> [`Invocation`], by cobra's and pflag's own rules, and stricter where
//! those surprise (cobra v1.10.2 command.go, pflag v1.0.10 flag.go).
//!
//! cobra looks for the verb with a cruder scan than pflag parses with: a flag that the root does
//! not know eats the next word, and another verb runs. So before the verb only root-persistent
//! flags are accepted, a command with sub-commands takes no operand, and a lone `-` or an empty
//! word, which that scan does not see, is no operand at all.

mod left_out;

use std::{collections::BTreeMap, vec};

use super::{
    error::CommandError,
    invocation::{Invocation, Never},
    operand::{Customs, Named, OperandReader},
    raw::{self, MaybeRaw},
    template::unquoted,
    unresolved::Unresolved,
    value::{elements, typed_value},
    words::MOST_ELEMENTS,
};
use crate::{
    catalogue::{
        Catalogue, CommandNode, CustomResources, Flag, FlagHazard, FlagKind, VerbClass,
        flag_lettered, flag_named, flags_in_scope, resource,
    },
    excerpt::Excerpt,
    nearest::{begun, is_slip_of_one, nearest},
    tool::{Cobra, EarlyScan, Grammar, Misnomer, Tool},
};

/// What to do about a verb or a flag that nobody has classed.
const UNCLASSED_HELP: &str = "leave it out, or ask the operator for a newer server";

/// Reads `words` (without the tool's name) as the tool of `catalogue` would.
///
/// `namespace` is the request's own; it becomes the command's `--namespace`.
///
/// # Errors
/// A [`CommandError`] that names the first word it does not accept.
pub fn parse(
    catalogue: &Catalogue,
    words: Vec<String>,
    namespace: Option<&str>,
) -> Result<Invocation, CommandError> {
    parse_with(catalogue, words, namespace, Customs::Unknown)
}

/// The same for a cluster with these custom resources: their names are words of the command, and no
/// other custom resource is.
///
/// # Errors
/// A [`CommandError`] that names the first word it does not accept.
pub fn parse_in(
    catalogue: &Catalogue,
    words: Vec<String>,
    namespace: Option<&str>,
    cluster: &CustomResources,
) -> Result<Invocation, CommandError> {
    parse_with(catalogue, words, namespace, Customs::Known(cluster))
}

/// The command if it names a resource that only a cluster may know; `None` when it does not, or is
/// no command whatever the cluster has.
pub fn parse_unresolved(
    catalogue: &Catalogue,
    words: Vec<String>,
    namespace: Option<&str>,
) -> Option<Unresolved> {
    let read = parse_with(catalogue, words, namespace, Customs::Assumed);
    read.ok().and_then(Unresolved::of)
}

fn parse_with(
    catalogue: &Catalogue,
    words: Vec<String>,
    namespace: Option<&str>,
    customs: Customs<'_>,
) -> Result<Invocation, CommandError> {
    let Grammar::Cobra(cobra) = &catalogue.tool().spec().grammar;
    let mut reading = Parser {
        catalogue,
        cobra,
        lineage: vec![catalogue.root()],
        flags: BTreeMap::new(),
        given: Vec::new(),
        operands: Vec::new(),
        elements: 0,
        sealed: None,
        customs,
    };
    let mut words = words.into_iter();
    let mut after_dash = None;
    let mut first = true;
    while let Some(word) = words.next() {
        let is_first = std::mem::take(&mut first);
        if is_first && cobra.first_word == Some(word.as_str()) {
            continue;
        }
        if word == "--" {
            after_dash = Some(words.collect::<Vec<_>>());
            break;
        } else if let Some(long) = word.strip_prefix("--") {
            reading.long_flag(&word, long, &mut words)?;
        } else if word.len() > 1 && word.starts_with('-') {
            reading.short_flags(&word, &mut words)?;
        } else {
            reading.word(word)?;
        }
    }
    match raw::carried(reading.finish(after_dash, namespace)?)? {
        MaybeRaw::Nothing(read) | MaybeRaw::Path(read) => Ok(read),
        // Its words have no request in them: this ends here.
        MaybeRaw::Command(mut equivalent) => {
            let words = std::mem::take(&mut equivalent.words);
            let read = parse_with(catalogue, words, namespace, customs)?;
            raw::with(read, equivalent)
        }
    }
}

struct Parser<'a> {
    catalogue: &'a Catalogue,
    cobra: &'static Cobra,
    /// From the root to the command found so far.
    lineage: Vec<&'a CommandNode>,
    flags: BTreeMap<String, Vec<String>>,
    /// Each flag that was given, as the command found so far has it.
    given: Vec<&'a Flag>,
    operands: Vec<String>,
    /// Elements of lists, of all flags together.
    elements: usize,
    /// The first flag that is not persistent on the root: behind it no verb is looked for.
    sealed: Option<Excerpt>,
    customs: Customs<'a>,
}

impl<'a> Parser<'a> {
    fn node(&self) -> &'a CommandNode {
        self.lineage
            .last()
            .copied()
            .unwrap_or_else(|| self.catalogue.root())
    }

    fn tool(&self) -> Tool {
        self.catalogue.tool()
    }

    /// A word that is no flag: the next word of the verb, or an operand.
    fn word(&mut self, word: String) -> Result<(), CommandError> {
        let node = self.node();
        match (node.child(&word), &self.sealed) {
            (Some(child), None) => {
                self.lineage.push(child);
                return Ok(());
            }
            (Some(_), Some(flag)) => {
                return Err(CommandError::FlagBeforeVerb {
                    tool: self.tool(),
                    flag: flag.clone(),
                    verb: Excerpt::new(&word),
                });
            }
            (None, _) => {}
        }
        let why = match word.as_str() {
            "" => Some("it is empty"),
            "-" => Some("the standard input is read by a flag (`-f -`)"),
            word if word.starts_with('@') => Some("response files do not exist here"),
            _ => None,
        };
        if let Some(why) = why {
            return Err(CommandError::Operand {
                tool: self.tool(),
                path: node.path.clone(),
                word: Excerpt::new(&word),
                why,
            });
        }
        if !node.children.is_empty() {
            // The tool would look for a plugin, or print help.
            // Who mistypes a question is not led to a change: of that only a slip makes one.
            let is_meant = |child: &&CommandNode| {
                let asks = child.hazard.as_ref().is_some_and(|hazard| {
                    matches!(hazard.class, VerbClass::Local | VerbClass::Read)
                });
                !child.hidden && (asks || is_slip_of_one(&word, child.name()))
            };
            let names = node.children.iter().filter(is_meant).map(CommandNode::name);
            return Err(CommandError::UnknownVerb {
                tool: self.tool(),
                version: self.catalogue.version().into(),
                path: node.path.clone(),
                word: Excerpt::new(&word),
                instead: self.misnomer(&[&word], None),
                nearest: self
                    .verb_for(&word)
                    .or_else(|| nearest(&word, names).map(Box::from)),
            });
        }
        self.operands.push(word);
        Ok(())
    }

    /// What a word or a flag that is not there is called here, if that is known.
    fn misnomer(&self, words: &[&str], flag: Option<&str>) -> Option<&'static str> {
        let mut command: Vec<&str> = self
            .node()
            .path
            .words()
            .iter()
            .map(String::as_str)
            .collect();
        command.extend(words);
        let mut known = self.tool().spec().misnomers.iter();
        let is_it = |row: &&Misnomer| {
            row.flag == flag
                && (row.command.split(' ').eq(command.iter().copied())
                    || row.command.is_empty() && flag.is_some())
        };
        known.find(is_it).map(|row| row.instead)
    }

    /// What a caller does instead of this verb or its flag, which no policy allows, if that is known.
    fn instead(&self, flag: Option<&str>) -> Option<&'static str> {
        let words = self.node().path.words();
        let mut rows = self.tool().spec().instead.iter();
        let is_above = |row: &&Misnomer| {
            let mut given = words.iter();
            row.command
                .split(' ')
                .all(|word| given.next().is_some_and(|given| given == word))
        };
        rows.find(|row| row.flag == flag && is_above(row))
            .map(|row| row.instead)
    }

    /// `pods` alone is a question that lacks its verb.
    fn verb_for(&self, word: &str) -> Option<Box<str>> {
        let verb = self.tool().spec().implied_verb?;
        let is_root = self.node().path.words().is_empty();
        (is_root && resource::canonical(word.split('/').next()?).is_some())
            .then(|| format!("{verb} {word}").into())
    }

    fn long_flag(
        &mut self,
        word: &str,
        long: &str,
        rest: &mut vec::IntoIter<String>,
    ) -> Result<(), CommandError> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let shown = format!("--{name}");
        let flag = flag_named(&self.lineage, name).ok_or_else(|| self.unknown_flag(&shown))?;
        let value = match (attached, &flag.value_if_bare) {
            (Some(value), _) => value,
            (None, Some(bare)) => bare.clone(),
            (None, None) => rest.next().ok_or_else(|| CommandError::MissingValue {
                flag: Excerpt::new(word),
            })?,
        };
        self.accept(flag, &shown, value)
    }

    /// `-Aojson`, `-o json`, `-o=json`: every letter is a flag until one takes the rest as its
    /// value.
    fn short_flags(
        &mut self,
        word: &str,
        rest: &mut vec::IntoIter<String>,
    ) -> Result<(), CommandError> {
        let mut letters = word.strip_prefix('-').unwrap_or(word);
        while let Some(letter) = letters.chars().next() {
            let shown = format!("-{letter}");
            let flag = flag_lettered(&self.lineage, letter).ok_or_else(|| {
                self.unknown_flag(if letters.len() + 1 == word.len() {
                    word
                } else {
                    &shown
                })
            })?;
            letters = letters.get(letter.len_utf8()..).unwrap_or_default();
            let value = match (letters.strip_prefix('='), &flag.value_if_bare) {
                // pflag reads `-o=` as the value `=`.
                (Some(""), _) => {
                    return Err(CommandError::MissingValue {
                        flag: Excerpt::new(word),
                    });
                }
                (Some(value), _) => std::mem::take(&mut letters)
                    .strip_prefix('=')
                    .unwrap_or(value)
                    .to_owned(),
                (None, Some(bare)) => bare.clone(),
                // cobra's search for the verb sees one letter's value only: of `-Rk namespace` it
                // takes the verb.
                (None, None)
                    if letters.is_empty() && word.len() > 2 && !self.node().children.is_empty() =>
                {
                    return Err(CommandError::MissingValue {
                        flag: Excerpt::new(word),
                    });
                }
                (None, None) if letters.is_empty() => {
                    rest.next().ok_or_else(|| CommandError::MissingValue {
                        flag: Excerpt::new(word),
                    })?
                }
                (None, None) => std::mem::take(&mut letters).to_owned(),
            };
            self.accept(flag, &shown, value)?;
        }
        Ok(())
    }

    fn accept(&mut self, flag: &'a Flag, shown: &str, value: String) -> Result<(), CommandError> {
        let root = self.catalogue.root();
        // What stood before the verb must mean the same behind it: one flag, not two of one name.
        let on_root = root
            .flags
            .iter()
            .any(|known| known.persistent && known == flag);
        if !on_root && self.sealed.is_none() {
            self.sealed = Some(Excerpt::new(shown));
        }
        self.given.push(flag);
        let given = self.flags.entry(flag.name.clone()).or_default();
        if !given.is_empty() && !flag.repeatable {
            return Err(CommandError::RepeatedFlag {
                flag: flag.name.clone(),
            });
        }
        match flag.kind {
            FlagKind::List | FlagKind::IntList => {
                let elements = elements(flag, value)?;
                self.elements += elements.len();
                if self.elements > MOST_ELEMENTS {
                    return Err(CommandError::TooManyElements {
                        what: Excerpt::new(shown),
                    });
                }
                for element in elements {
                    given.push(typed_value(flag, element)?);
                }
            }
            _ => given.push(typed_value(flag, value)?),
        }
        Ok(())
    }

    fn unknown_flag(&self, shown: &str) -> CommandError {
        let wanted = shown
            .trim_start_matches('-')
            .replace('_', "-")
            .to_ascii_lowercase();
        let names: Vec<&str> = flags_in_scope(&self.lineage)
            .filter(|flag| !flag.hidden)
            .map(|flag| flag.name.as_str())
            .collect();
        // One hyphen: of letters that are flags of their own nothing is guessed, but `-all` is `--all`.
        let meant = match shown.strip_prefix("--") {
            Some(_) => nearest(&wanted, names.iter().copied()).or_else(|| begun(&wanted, names)),
            None => names.into_iter().find(|name| *name == wanted),
        };
        CommandError::UnknownFlag {
            instead: self.misnomer(&[], Some(shown)),
            tool: self.tool(),
            path: self.node().path.clone(),
            flag: Excerpt::new(shown),
            nearest: meant.map(|name| format!("--{name}")),
        }
    }

    fn finish(
        mut self,
        after_dash: Option<Vec<String>>,
        namespace: Option<&str>,
    ) -> Result<Invocation, CommandError> {
        let mut changes = self.without_terminal();
        let node = self.node();
        self.few_elements()?;
        let help = self
            .flags
            .get("help")
            .is_some_and(|values| values.iter().any(|value| value == "true"));
        if node.path.words().is_empty() && !help {
            return Err(CommandError::MissingVerb { tool: self.tool() });
        }
        // The verb is known: every flag, wherever it stood, must be this verb's flag of that name.
        for given in &self.given {
            if flag_named(&self.lineage, &given.name) != Some(given) {
                return Err(self.unknown_flag(&format!("--{}", given.name)));
            }
        }
        changes.extend(self.without_defaults());
        if let Some(namespace) = namespace {
            self.take_namespace(namespace)?;
        }
        if after_dash.is_some() && !help {
            self.runs_a_program()?;
        }
        self.no_early_scan_bait()?;
        if let (Some(error), false) = (unquoted(&self.flags, &self.operands), help) {
            return Err(error);
        }
        let mut named = match help {
            true => Named::default(),
            false => OperandReader {
                tool: self.tool(),
                path: &node.path,
                flags: &self.flags,
                customs: self.customs,
            }
            .named(&mut self.operands)?,
        };
        let never = self.never(help).map(Box::new);
        let classes = self
            .given
            .iter()
            .filter_map(|flag| Some((flag.name.clone(), flag.hazard.as_ref()?.class)))
            .collect();
        changes.append(&mut named.changes);
        let masks = self
            .given
            .iter()
            .filter_map(|flag| Some((flag.name.clone(), flag.mask?)))
            .collect();
        let values = self
            .given
            .iter()
            .filter_map(|flag| Some((flag.name.clone(), flag.values.clone()?)))
            .collect();
        let reads = self.given.iter().filter(|flag| flag.data().is_some());
        let reads = reads.map(|flag| flag.name.clone()).collect();
        let manifests = self.given.iter().filter(|flag| flag.is_manifest());
        let manifests = manifests.map(|flag| flag.name.clone()).collect();
        Ok(Invocation {
            reads,
            manifests,
            tool: self.tool(),
            path: node.path.clone(),
            flags: self.flags,
            operands: self.operands,
            named,
            after_dash,
            class: node.hazard.as_ref().map(|hazard| hazard.class),
            classes,
            values,
            never,
            changes,
            masks,
            operand_mask: node.operand_mask,
        })
    }

    /// Bounds what operands list, together with what flags do. What stands behind a `=` is a value.
    fn few_elements(&self) -> Result<(), CommandError> {
        let mut elements = self.elements;
        for operand in &self.operands {
            let listed = operand.split('=').next().unwrap_or_default();
            elements += listed.matches(',').count();
            if elements > MOST_ELEMENTS {
                let what = Excerpt::new(operand);
                return Err(CommandError::TooManyElements { what });
            }
        }
        Ok(())
    }

    /// Refuses `--` before words that no program is made of: they are plain arguments, and can be
    /// written without it.
    fn runs_a_program(&self) -> Result<(), CommandError> {
        let path = &self.node().path;
        if self.cobra.programs.contains(&path.to_string().as_str()) {
            return Ok(());
        }
        Err(CommandError::Operand {
            tool: self.tool(),
            path: path.clone(),
            word: Excerpt::new("--"),
            why: "nothing runs behind it; write the arguments without it",
        })
    }

    /// Returns why no policy may allow the command. Help does nothing of what its verb would do.
    fn never(&self, help: bool) -> Option<Never> {
        let node = self.node();
        if let (Some(why), false) = (node.never(), help) {
            let of_class = || {
                let hazard = node.hazard.as_ref();
                hazard.map_or(UNCLASSED_HELP, |hazard| hazard.class.instead())
            };
            let help = self.instead(None).unwrap_or_else(of_class);
            return Some(Never {
                what: format!("`{} {}`", self.tool(), node.path),
                why,
                help,
            });
        }
        // By name: the answer is the same wherever the flags stand.
        let mut given = self.given.clone();
        given.sort_by(|a, b| a.name.cmp(&b.name));
        given.iter().find_map(|flag| {
            let hazard = flag.hazard.as_ref();
            let help = hazard.map_or(UNCLASSED_HELP, FlagHazard::instead);
            let instead = self.instead(Some(&flag.name));
            let help = instead.unwrap_or(help);
            if let Some(why) = flag.never(None) {
                return Some(Never {
                    what: format!("--{}", flag.name),
                    why,
                    help,
                });
            }
            let mut values = self.flags.get(&flag.name).into_iter().flatten();
            let (value, why) = values.find_map(|value| Some((value, flag.never(Some(value))?)))?;
            Some(Never {
                what: format!("--{} {}", flag.name, Excerpt::new(value)),
                why,
                help,
            })
        })
    }

    /// kubectl looks for `--kuberc=` and `-v=` inside any word, and helm for its global flags among
    /// all of them, before either parses. The rendering and the child's
    /// environment disarm that; no honest word needs it.
    fn no_early_scan_bait(&self) -> Result<(), CommandError> {
        let bait = |word: &&String| match self.cobra.early_scan {
            EarlyScan::Flags => word.starts_with('-') && word.len() > 1,
            EarlyScan::Inside(texts) => texts.iter().any(|text| word.contains(text)),
            EarlyScan::Nothing => false,
        };
        match self
            .flags
            .values()
            .flatten()
            .chain(&self.operands)
            .find(bait)
        {
            Some(word) => Err(CommandError::Operand {
                tool: self.tool(),
                path: self.node().path.clone(),
                word: Excerpt::new(word),
                why: "the tool would read a flag of its own inside it",
            }),
            None => Ok(()),
        }
    }

    fn take_namespace(&mut self, namespace: &str) -> Result<(), CommandError> {
        let path = self.node().path.clone();
        let flag = flag_named(&self.lineage, "namespace").filter(|flag| flag.persistent);
        let Some(flag) = flag else {
            return Err(CommandError::NamespaceNotAccepted {
                tool: self.tool(),
                path,
            });
        };
        let value = typed_value(flag, namespace.to_owned())?;
        match self
            .flags
            .get("namespace")
            .and_then(|values| values.first())
        {
            Some(given) if *given != value => Err(CommandError::NamespaceConflict {
                request: Excerpt::new(namespace),
                command: Excerpt::new(given),
            }),
            Some(_) => Ok(()),
            None => {
                self.flags.insert("namespace".into(), vec![value]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
