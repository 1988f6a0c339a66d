//! The words of one stage -> [`Filter`] -> its argv. [`Filter::parse`] is its only maker.

use std::{iter::Peekable, vec};

use super::{
    awk,
    catalogue::{BY_NUMBER, FilterFlag, Operands, SPECS, Spec, Takes, ValueForm, filter_names},
    error::FilterError,
    perl,
    program::FilterProgram,
    query, sed,
    value::is_name,
};
use crate::{command::adjustment::Adjustment, excerpt::Excerpt, nearest::nearest, tool::Tool};

/// One stage behind a `|`: a filter, its checked flags, its operands. Only [`Filter::parse`] makes
/// one:
///
/// ```compile_fail,E0451
/// use kube_airlock::command::Filter;
/// fn forged(read: Filter) -> Filter {
///     Filter { operands: vec!["/etc/shadow".into()], ..read }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    spec: &'static Spec,
    /// In the caller's order: it decides where two flags say different things.
    flags: Vec<(&'static str, Vec<String>)>,
    operands: Vec<String>,
    /// What differs from the words that were sent.
    changes: Vec<Adjustment>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        (self.spec.name, &self.flags, &self.operands)
            == (other.spec.name, &other.flags, &other.operands)
    }
}

impl Eq for Filter {}

impl Filter {
    /// Reads the words of one stage, its name first.
    ///
    /// # Errors
    /// A [`FilterError`] that names the first word it does not accept.
    pub fn parse(words: Vec<String>) -> Result<Self, FilterError> {
        let mut words = words.into_iter();
        let name = words.next().unwrap_or_default();
        let (name, implied) = match name.as_str() {
            "egrep" => ("grep", Some("-E")),
            "fgrep" => ("grep", Some("-F")),
            name => (name, None),
        };
        let Some(spec) = SPECS.iter().find(|spec| spec.name == name) else {
            return Err(not_a_filter(name));
        };
        let mut filter = Self {
            spec,
            flags: Vec::new(),
            operands: Vec::new(),
            changes: Vec::new(),
        };
        filter.flags.extend(implied.map(|flag| (flag, Vec::new())));
        let mut sealed = false;
        while let Some(word) = words.next() {
            if sealed || word.len() < 2 || !word.starts_with('-') {
                // awk's words behind its program are files and variables, whatever they look like.
                sealed |= spec.operands == Operands::AwkProgram;
                filter.operands.push(word);
            } else if word == "--" {
                sealed = true;
            } else if word.starts_with("--") {
                filter.long_flag(&word, &mut words)?;
            } else {
                filter.short_flags(&word, &mut words)?;
            }
        }
        filter.finish()
    }

    /// Makes a filter without reading it: for the test of what the sandbox stops where the parser did
    /// not. It exists in no build but that of the tests.
    #[cfg(feature = "unread-filters")]
    pub fn unread(
        name: &str,
        flags: Vec<(&'static str, Vec<String>)>,
        operands: Vec<String>,
    ) -> Option<Self> {
        let spec = SPECS.iter().find(|spec| spec.name == name)?;
        Some(Self {
            spec,
            flags,
            operands,
            changes: Vec::new(),
        })
    }

    /// What differs from the words that were sent, for the reply.
    pub fn adjustments(&self) -> &[Adjustment] {
        &self.changes
    }

    /// The name that it is called by.
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The program that it is.
    pub fn program(&self) -> FilterProgram {
        self.spec.program
    }

    /// The argument vector, from these types alone.
    pub fn argv(&self) -> Vec<String> {
        let mut argv = vec![self.spec.name.to_owned()];
        if self.spec.program == FilterProgram::Yq {
            return self.argv_of_yq(argv);
        }
        for (flag, values) in &self.flags {
            argv.push((*flag).to_owned());
            argv.extend(values.iter().cloned());
        }
        if !self.operands.is_empty() {
            argv.push("--".into());
            argv.extend(self.operands.iter().cloned());
        }
        argv
    }

    /// yq looks whether its first operand is a file, and takes it for the expression when not: so
    /// it has none.
    fn argv_of_yq(&self, mut argv: Vec<String>) -> Vec<String> {
        argv.extend(self.operands.iter().cloned());
        argv.extend(
            [
                "--security-disable-env-ops",
                "--security-disable-file-ops",
                "--no-colors",
            ]
            .map(str::to_owned),
        );
        for (flag, values) in &self.flags {
            argv.push(
                values
                    .first()
                    .map_or_else(|| (*flag).to_owned(), |value| format!("{flag}={value}")),
            );
        }
        if !self.has("--null-input") {
            argv.push("-".into());
        }
        argv
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(known, _)| *known == flag)
    }

    fn flag_spelt(&self, word: &str) -> Result<&'static FilterFlag, FilterError> {
        let spelt = |flag: &&FilterFlag| flag.name == word || flag.also.contains(&word);
        self.spec
            .flags
            .iter()
            .find(spelt)
            .ok_or_else(|| self.unknown(word))
    }

    fn unknown(&self, word: &str) -> FilterError {
        let usable = || {
            self.spec.flags.iter().filter(|flag| {
                !matches!(
                    flag.takes,
                    Takes::Refused(_) | Takes::Ignored | Takes::ReadAs(..)
                )
            })
        };
        let spellings =
            usable().flat_map(|flag| [flag.name].into_iter().chain(flag.also.iter().copied()));
        FilterError::UnknownFlag {
            filter: self.spec.name,
            flag: Excerpt::new(word),
            // A letter is near to every other one.
            nearest: if word.starts_with("--") {
                nearest(word, spellings.filter(|known| known.starts_with("--")))
            } else {
                None
            },
            known: usable().map(|flag| flag.name).collect::<Vec<_>>().join(" "),
        }
    }

    fn long_flag(
        &mut self,
        word: &str,
        rest: &mut vec::IntoIter<String>,
    ) -> Result<(), FilterError> {
        // `--color=auto` is one spelling.
        if let Ok(FilterFlag {
            takes: Takes::Ignored,
            ..
        }) = self.flag_spelt(word)
        {
            return Ok(());
        }
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let flag = self.flag_spelt(name)?;
        match (&flag.takes, attached) {
            (Takes::Nothing | Takes::Ignored | Takes::ReadAs(..), Some(value)) => {
                Err(FilterError::Value {
                    filter: self.spec.name,
                    flag: flag.name,
                    expected: "no value",
                    value: Excerpt::new(&value),
                })
            }
            (_, attached) => self.give(flag, word, attached, rest),
        }
    }

    /// `-in`, `-n5`, `-n 5`, `-5`.
    fn short_flags(
        &mut self,
        word: &str,
        rest: &mut vec::IntoIter<String>,
    ) -> Result<(), FilterError> {
        let letters = word.strip_prefix('-').unwrap_or_default();
        if let Some(flag) = self
            .spec
            .number
            .filter(|_| letters.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let flag = self.flag_spelt(flag)?;
            return self.give(flag, word, Some(letters.to_owned()), rest);
        }
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let spelt = format!("-{letter}");
            let flag = self.flag_spelt(&spelt)?;
            let attached = Some(letters.as_str().to_owned()).filter(|behind| !behind.is_empty());
            match flag.takes {
                Takes::Nothing
                | Takes::Ignored
                | Takes::ReadAs(..)
                | Takes::Pair
                | Takes::Refused(_) => self.give(flag, &spelt, None, rest)?,
                // pflag reads `-r=false`, and the letter alone as true.
                Takes::One(ValueForm::Truth) => match attached
                    .as_deref()
                    .and_then(|behind| behind.strip_prefix('='))
                {
                    Some(value) => return self.give(flag, &spelt, Some(value.to_owned()), rest),
                    None => self.give(flag, &spelt, None, rest)?,
                },
                Takes::One(_) | Takes::Many(_) => {
                    let is_pflag = self.spec.program == FilterProgram::Yq;
                    let attached = attached.map(|value| {
                        value
                            .strip_prefix('=')
                            .filter(|_| is_pflag)
                            .map_or(value.clone(), str::to_owned)
                    });
                    return self.give(flag, &spelt, attached, rest);
                }
            }
        }
        Ok(())
    }

    fn give(
        &mut self,
        flag: &'static FilterFlag,
        word: &str,
        attached: Option<String>,
        rest: &mut vec::IntoIter<String>,
    ) -> Result<(), FilterError> {
        let filter = self.spec.name;
        let mut next = || {
            rest.next().ok_or_else(|| FilterError::MissingValue {
                filter,
                flag: Excerpt::new(word),
            })
        };
        let values = match flag.takes {
            Takes::Ignored => return Ok(()),
            Takes::ReadAs(other, why) => {
                self.read_as(flag.name, other, why);
                if !self.has(other) {
                    self.flags.push((other, Vec::new()));
                }
                return Ok(());
            }
            Takes::Refused(why) => {
                return Err(FilterError::RefusedFlag {
                    filter,
                    flag: Excerpt::new(word),
                    why,
                });
            }
            Takes::Nothing if self.has(flag.name) => return Ok(()),
            Takes::Nothing => Vec::new(),
            Takes::One(_) if self.has(flag.name) => {
                return Err(FilterError::RepeatedFlag {
                    filter,
                    flag: flag.name,
                });
            }
            Takes::One(ValueForm::Truth) => vec![attached.unwrap_or_else(|| "true".into())],
            Takes::Many(ValueForm::Key) => {
                let key = attached.map_or_else(next, Ok)?;
                let by_number = key.replace('h', "n");
                if key != by_number {
                    self.read_as(&key, &by_number, BY_NUMBER);
                }
                vec![by_number]
            }
            Takes::One(_) | Takes::Many(_) => vec![attached.map_or_else(next, Ok)?],
            Takes::Pair => vec![attached.map_or_else(&mut next, Ok)?, next()?],
        };
        match (flag.takes, values.first()) {
            (Takes::One(form) | Takes::Many(form), Some(value)) => {
                if let Some(expected) = form.wants(value) {
                    return Err(FilterError::Value {
                        filter,
                        flag: flag.name,
                        expected,
                        value: Excerpt::new(value),
                    });
                }
            }
            (Takes::Pair, Some(name)) if !is_name(name) => {
                return Err(FilterError::Value {
                    filter,
                    flag: flag.name,
                    expected: "a name and a value",
                    value: Excerpt::new(name),
                });
            }
            _ => {}
        }
        self.flags.push((flag.name, values));
        Ok(())
    }

    /// Moves what is a program, a pattern or a file to where it belongs.
    fn finish(mut self) -> Result<Self, FilterError> {
        let mut operands = std::mem::take(&mut self.operands).into_iter().peekable();
        match self.spec.operands {
            Operands::None => {}
            Operands::Pattern => {
                let pattern = operands.next_if(|_| !self.has("-e"));
                self.take_script(pattern)?;
                self.without_perl()?;
            }
            Operands::SedScript => {
                let script = operands.next_if(|_| !self.has("-e"));
                self.take_script(script)?;
            }
            Operands::AwkProgram => match operands.next() {
                Some(program) => {
                    awk::read(&program)?;
                    self.operands.push(program);
                }
                None => return Err(self.missing("a program, for example '{print $1}'")),
            },
            Operands::Sets => {
                self.operands.extend(operands.by_ref().take(2));
                if self.operands.is_empty() {
                    return Err(self.missing("a set of characters"));
                }
            }
            Operands::Query => {
                let query = operands.next().unwrap_or_else(|| ".".into());
                query::read_jq(&query)?;
                self.operands.push(query);
            }
            Operands::Expression => self.take_expression(&mut operands)?,
        }
        // `-` is what every filter reads.
        operands.next_if(|word| word == "-" && self.spec.operands != Operands::Sets);
        if let Some(word) = operands.next() {
            let why = if self.spec.operands == Operands::Sets {
                "it has two sets already"
            } else {
                "a filter has no files; it reads what stands before it"
            };
            return Err(FilterError::Operand {
                filter: self.spec.name,
                word: Excerpt::new(&word),
                why,
            });
        }
        self.with_what_it_needs()
    }

    /// Takes the first operand for the script or the pattern, where no `-e` gave one.
    fn take_script(&mut self, first: Option<String>) -> Result<(), FilterError> {
        let is_sed = self.spec.operands == Operands::SedScript;
        if !self.has("-e") {
            match first {
                Some(script) => self.flags.push(("-e", vec![script])),
                None if is_sed => return Err(self.missing("a script, for example 's/a/b/'")),
                None => return Err(self.missing("a pattern")),
            }
        }
        let mut scripts = self.values("-e");
        if is_sed {
            scripts.try_for_each(|script| sed::read(script))?;
        }
        Ok(())
    }

    /// Puts patterns of `grep -P` into `-E`'s words.
    fn without_perl(&mut self) -> Result<(), FilterError> {
        let Some(at) = self.flags.iter().position(|(flag, _)| *flag == "-P") else {
            return Ok(());
        };
        let mut ignores_case = false;
        let mut changes = Vec::new();
        for (_, values) in self.flags.iter_mut().filter(|(flag, _)| *flag == "-e") {
            for pattern in values {
                let read = perl::extended(pattern)?;
                ignores_case |= read.ignores_case;
                changes.push(changed(
                    &format!("grep -P {pattern}"),
                    &format!("grep -E {}", read.pattern),
                    "Perl's patterns are read as `grep -E` has them",
                ));
                *pattern = read.pattern;
            }
        }
        self.changes.append(&mut changes);
        self.flags.remove(at);
        for (flag, is_meant) in [("-i", ignores_case), ("-E", true)] {
            if is_meant && !self.has(flag) {
                self.flags.insert(0, (flag, Vec::new()));
            }
        }
        Ok(())
    }

    fn read_as(&mut self, word: &str, used: &str, why: &'static str) {
        let name = self.spec.name;
        let change = changed(&format!("{name} {word}"), &format!("{name} {used}"), why);
        self.changes.push(change);
    }

    /// Takes how yq evaluates, and its expression.
    fn take_expression(
        &mut self,
        operands: &mut Peekable<vec::IntoIter<String>>,
    ) -> Result<(), FilterError> {
        match operands.peek().map(String::as_str) {
            Some("eval" | "e") => drop(operands.next()),
            Some("eval-all" | "ea") => {
                operands.next();
                self.operands.push("eval-all".into());
            }
            _ => {}
        }
        if !self.has("--expression") {
            let expression = operands
                .next_if(|word| word != "-")
                .unwrap_or_else(|| ".".into());
            self.flags.push(("--expression", vec![expression]));
        }
        self.values("--expression")
            .try_for_each(|expression| query::read_yq(expression))
    }

    /// Refuses what cannot work without a certain flag.
    fn with_what_it_needs(mut self) -> Result<Self, FilterError> {
        match self.spec.name {
            "column" if !self.has("-t") => {
                Err(self.missing("-t: it makes tables, and nothing else here"))
            }
            "cut" if !["-b", "-c", "-f"].iter().any(|flag| self.has(flag)) => {
                Err(self.missing("one of -f, -c and -b"))
            }
            "column" => {
                // Ours takes its one switch first.
                self.flags.sort_by_key(|(flag, _)| *flag != "-t");
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    fn missing(&self, what: &'static str) -> FilterError {
        FilterError::Missing {
            filter: self.spec.name,
            what,
        }
    }

    fn values<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a String> {
        let of_flag = self.flags.iter().filter(move |(known, _)| *known == flag);
        of_flag.flat_map(|(_, values)| values)
    }
}

fn changed(word: &str, used: &str, why: &'static str) -> Adjustment {
    Adjustment::Replaced {
        word: word.into(),
        used: used.into(),
        why,
    }
}

/// Whether a stage prints what it reads and nothing else, so that the line is the same without it:
/// pagers, where there is no terminal.
pub(in crate::command) fn passes_everything(words: &[String]) -> bool {
    match words.split_first() {
        Some((name, rest)) if name == "cat" => {
            rest.iter().all(|word| matches!(word.as_str(), "-" | "-u"))
        }
        Some((name, rest)) if name == "less" || name == "more" => rest.iter().all(|word| {
            word.starts_with('-') && !word.starts_with("-o") && !word.starts_with("-O")
        }),
        _ => false,
    }
}

/// What to do instead of starting a program.
fn not_a_filter(name: &str) -> FilterError {
    let help = match name {
        name if name.parse::<Tool>().is_ok() => {
            "make a call of its own for the second command, with what the first one printed".into()
        }
        "xargs" | "parallel" | "while" | "for" | "read" => {
            "make a call for each item, or name several in one command (`describe pod a b c`)".into()
        }
        "tee" => "leave it out: the output comes back in the reply, and no file is written".into(),
        "cat" | "less" | "more" => "leave it out, or its file: all of the output comes back in the reply".into(),
        "sh" | "bash" | "ash" | "zsh" | "python" | "python3" | "perl" | "ruby" | "node" => {
            format!("no program runs on the output but a filter: {}; JSON is laid out by `jq .`", filter_names())
        }
        "base64" => "a field's text comes decoded from `jq -r '.x | @base64d'`; the values of Secrets are left out before".into(),
        "nl" => "number the lines with `grep -n ''`".into(),
        "paste" => "join lines with `tr '\\n' ','`".into(),
        "rg" | "ag" | "ack" => "use `grep -E`".into(),
        "gawk" | "mawk" => "call it `awk`".into(),
        "gojq" => "call it `jq`".into(),
        _ => match nearest(name, SPECS.iter().map(|spec| spec.name)) {
            Some(near) => format!("did you mean `{near}`? The filters are {}", filter_names()),
            None => format!("the filters are {}", filter_names()),
        },
    };
    FilterError::NotAFilter {
        program: Excerpt::new(name),
        help,
    }
}

#[cfg(test)]
mod tests;
