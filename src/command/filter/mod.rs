//! The words behind a `|` -> a [`Filter`] -> the argv that its program gets.
//!
//! As with the tools, what runs is rendered from the types alone. A filter has no power: it reads
//! what stands before it and prints, whatever its words say, and the sandbox sees to that
//! (`policy/sandbox/filter.toml`). What this room refuses is refused so that the caller learns why
//! it cannot work.
//!
//! Held by the tests here, `tests/filters/` and the fuzz target `split`.

mod awk;
mod catalogue;
mod error;
mod query;
mod sed;

use std::vec;

use serde::{Deserialize, Serialize};

pub use error::FilterError;

use self::catalogue::{Flag, Operands, SPECS, Spec, Takes, Value};
use crate::{excerpt::Excerpt, nearest::nearest, tool::Tool};

/// The programs that filters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterProgram {
    /// grep, head, tail, sort, uniq, wc, cut, tr, sed and awk.
    Busybox,
    /// `column -t`.
    Column,
    /// jq.
    Gojq,
    /// yq.
    Yq,
}

impl FilterProgram {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Busybox, Self::Column, Self::Gojq, Self::Yq];

    /// The name of its file, in the folder `filters` beside the tools.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Column => "column",
            Self::Gojq => "gojq",
            Self::Yq => "yq",
        }
    }

    /// Whether its runtime is Go's, which has threads.
    pub fn is_go(self) -> bool {
        match self {
            Self::Gojq | Self::Yq => true,
            Self::Busybox | Self::Column => false,
        }
    }

    /// Whether it is run under this name: busybox is also a shell.
    pub fn is_called(self, name: &str) -> bool {
        SPECS
            .iter()
            .any(|spec| spec.program == self && spec.name == name)
    }
}

/// One stage behind a `|`: a filter, its checked flags, its operands. Only [`Filter::parse`] makes
/// one.
#[derive(Clone, Debug)]
pub struct Filter {
    spec: &'static Spec,
    /// In the caller's order: it decides where two flags say different things.
    flags: Vec<(&'static str, Vec<String>)>,
    operands: Vec<String>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        (self.spec.name, &self.flags, &self.operands)
            == (other.spec.name, &other.flags, &other.operands)
    }
}

impl Eq for Filter {}

/// A variable without `$` or a flag of awk's: the beginning of many names.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

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

    /// One that nobody has read: for tests that ask the sandbox what the parser keeps from it.
    pub(crate) fn unread(
        name: &str,
        flags: Vec<(&'static str, Vec<String>)>,
        operands: Vec<String>,
    ) -> Option<Self> {
        let spec = SPECS.iter().find(|spec| spec.name == name)?;
        Some(Self {
            spec,
            flags,
            operands,
        })
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

    fn flag_spelt(&self, word: &str) -> Result<&'static Flag, FilterError> {
        let spelt = |flag: &&Flag| flag.name == word || flag.also.contains(&word);
        self.spec
            .flags
            .iter()
            .find(spelt)
            .ok_or_else(|| self.unknown(word))
    }

    fn unknown(&self, word: &str) -> FilterError {
        let usable = || {
            self.spec
                .flags
                .iter()
                .filter(|flag| !matches!(flag.takes, Takes::Refused(_) | Takes::Ignored))
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
        if let Ok(Flag {
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
            (Takes::Nothing | Takes::Ignored, Some(value)) => Err(FilterError::Value {
                filter: self.spec.name,
                flag: flag.name,
                expected: "no value",
                value: Excerpt::new(&value),
            }),
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
                Takes::Nothing | Takes::Ignored | Takes::Pair | Takes::Refused(_) => {
                    self.give(flag, &spelt, None, rest)?
                }
                // pflag reads `-r=false`, and the letter alone as true.
                Takes::One(Value::Truth) => match attached
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
        flag: &'static Flag,
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
            Takes::One(Value::Truth) => vec![attached.unwrap_or_else(|| "true".into())],
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
        let name = self.spec.name;
        let missing = |what| Err(FilterError::Missing { filter: name, what });
        let mut operands = std::mem::take(&mut self.operands).into_iter().peekable();
        match self.spec.operands {
            Operands::None => {}
            Operands::Pattern | Operands::SedScript => {
                if !self.has("-e") {
                    match operands.next() {
                        Some(script) => self.flags.push(("-e", vec![script])),
                        None => {
                            return missing(if name == "sed" {
                                "a script, for example 's/a/b/'"
                            } else {
                                "a pattern"
                            });
                        }
                    }
                }
                for (_, values) in self
                    .flags
                    .iter()
                    .filter(|(flag, _)| self.spec.operands == Operands::SedScript && *flag == "-e")
                {
                    values.iter().try_for_each(|script| sed::read(script))?;
                }
            }
            Operands::AwkProgram => match operands.next() {
                Some(program) => {
                    awk::read(&program)?;
                    self.operands.push(program);
                }
                None => return missing("a program, for example '{print $1}'"),
            },
            Operands::Sets => {
                self.operands.extend(operands.by_ref().take(2));
                if self.operands.is_empty() {
                    return missing("a set of characters");
                }
            }
            Operands::Query => {
                let query = operands.next().unwrap_or_else(|| ".".into());
                query::read_jq(&query)?;
                self.operands.push(query);
            }
            Operands::Expression => {
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
                for (_, values) in self
                    .flags
                    .iter()
                    .filter(|(flag, _)| *flag == "--expression")
                {
                    values
                        .iter()
                        .try_for_each(|expression| query::read_yq(expression))?;
                }
            }
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
                filter: name,
                word: Excerpt::new(&word),
                why,
            });
        }
        match name {
            "column" if !self.has("-t") => missing("-t: it makes tables, and nothing else here"),
            "cut" if !["-b", "-c", "-f"].iter().any(|flag| self.has(flag)) => {
                missing("one of -f, -c and -b")
            }
            "column" => {
                // Ours takes its one switch first.
                self.flags.sort_by_key(|(flag, _)| *flag != "-t");
                Ok(self)
            }
            _ => Ok(self),
        }
    }
}

impl Value {
    /// What it should be, when `text` is not.
    fn wants(self, text: &str) -> Option<&'static str> {
        let digits = |text: &str| {
            (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (holds, wanted) = match self {
            Self::Number => (digits(text), "a number"),
            Self::Count => {
                let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
                (
                    digits(bare.strip_suffix(['b', 'k', 'm']).unwrap_or(bare)),
                    "a number like 20, or -20 for all but the last",
                )
            }
            Self::Character => (text.len() == 1, "a single character"),
            Self::List => {
                let is_end = |text: &str| text.is_empty() || digits(text);
                let is_range = |range: &str| match range.split_once('-') {
                    Some((from, to)) => range.len() > 1 && is_end(from) && is_end(to),
                    None => digits(range),
                };
                (text.split(',').all(is_range), "a list like 1,3-5")
            }
            Self::Key => {
                let is_place = |place: &str| {
                    let place = place.trim_end_matches(|letter: char| "bdfgiMnrV".contains(letter));
                    place
                        .split_once('.')
                        .map_or(digits(place), |(field, character)| {
                            digits(field) && digits(character)
                        })
                };
                (
                    text.split(',').count() <= 2 && text.split(',').all(is_place),
                    "a key like 2 or 2,2nr",
                )
            }
            Self::Assignment => (
                text.split_once('=').is_some_and(|(name, _)| is_name(name)),
                "name=value",
            ),
            Self::Truth => (matches!(text, "true" | "false"), "true or false"),
            Self::OneOf(known) => (known.contains(&text), "a format like json or yaml"),
            Self::Text => (true, "text"),
        };
        (!holds).then_some(wanted)
    }
}

/// What to do instead of starting a program.
fn not_a_filter(name: &str) -> FilterError {
    let known = || {
        SPECS
            .iter()
            .map(|spec| spec.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let help = match name {
        name if Tool::ALL.iter().any(|tool| tool.as_str() == name) => {
            "make a call of its own for the second command, with what the first one printed".into()
        }
        "xargs" | "parallel" | "while" | "for" | "read" => {
            "make a call for each item, or name several in one command (`describe pod a b c`)".into()
        }
        "tee" => "leave it out: the output comes back in the reply, and no file is written".into(),
        "cat" | "less" | "more" => "leave it out: all of the output comes back in the reply".into(),
        "sh" | "bash" | "ash" | "zsh" | "python" | "python3" | "perl" | "ruby" | "node" => {
            format!("no program runs on the output but a filter: {}", known())
        }
        "base64" => "a field's text comes decoded from `jq -r '.x | @base64d'`; the values of Secrets are left out before".into(),
        "nl" => "number the lines with `grep -n ''`".into(),
        "rg" | "ag" | "ack" => "use `grep -E`".into(),
        "gawk" | "mawk" => "call it `awk`".into(),
        "gojq" => "call it `jq`".into(),
        _ => match nearest(name, SPECS.iter().map(|spec| spec.name)) {
            Some(near) => format!("did you mean `{near}`? The filters are {}", known()),
            None => format!("the filters are {}", known()),
        },
    };
    FilterError::NotAFilter {
        program: Excerpt::new(name),
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(shlex::split(text).unwrap())
    }

    fn argv(text: &str) -> String {
        read(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .argv()
            .join(" ")
    }

    #[test]
    fn every_spelling_renders_to_the_same_argv_which_reads_again_to_the_same() {
        for (one, others) in [
            (
                "grep -i -v -e Running",
                &[
                    "grep -iv Running",
                    "grep --ignore-case --invert-match Running",
                    "grep Running -iv",
                    "grep -iveRunning",
                    "grep -i -v -- Running -",
                ][..],
            ),
            (
                "grep -E -e a|b",
                &[
                    "grep -E 'a|b'",
                    "egrep 'a|b'",
                    "grep --color=auto -E 'a|b'",
                    "grep --color -E 'a|b'",
                ],
            ),
            (
                "grep -C 3 -e x",
                &["grep -3 x", "grep -C3 x", "grep --context=3 x"],
            ),
            (
                "head -n 20",
                &[
                    "head -20",
                    "head -n20",
                    "head --lines=20",
                    "head --lines 20",
                    "head -n 20 -",
                ],
            ),
            ("tail -n +2", &["tail -n +2", "tail -n+2"]),
            (
                "sort -k 2,2nr -t ,",
                &["sort -k2,2nr -t,", "sort --key=2,2nr --field-separator=,"],
            ),
            (
                "cut -d = -f 1,3-",
                &["cut -d= -f1,3-", "cut -d '=' -f '1,3-'"],
            ),
            ("tr -d -- a-z", &["tr -d a-z", "tr --delete a-z"]),
            (
                "sed -n -E -e s/a/b/p",
                &["sed -nE s/a/b/p", "sed -n -r -e s/a/b/p"],
            ),
            (
                "awk -F , -v x=1 -- {print $1}",
                &["awk -F, -v x=1 '{print $1}'", "awk -F , -vx=1 '{print $1}'"],
            ),
            (
                "jq --raw-output --compact-output -- .a",
                &["jq -rc .a", "jq -r -c .a", "jq -M --raw-output -c .a -"],
            ),
            ("jq -- .", &["jq", "jq .", "jq -S"]),
            (
                "column -t -s ,",
                &["column -ts,", "column -s, -t", "column -t --separator ,"],
            ),
            (
                "yq --security-disable-env-ops --security-disable-file-ops --no-colors --output-format=json --expression=.a -",
                &[
                    "yq -o json .a",
                    "yq -ojson .a",
                    "yq -o=json e .a -",
                    "yq eval -o json '.a' -",
                ],
            ),
            (
                "yq --security-disable-env-ops --security-disable-file-ops --no-colors --unwrapScalar=false --expression=. -",
                &["yq -r=false", "yq --unwrapScalar=false ."],
            ),
            ("uniq -c", &["uniq -c", "uniq --count -"]),
            ("wc -l", &["wc -l", "wc --lines"]),
        ] {
            for text in others {
                assert_eq!(argv(text), one, "{text}");
                let filter = read(text).unwrap();
                assert_eq!(Filter::parse(filter.argv()), Ok(filter), "{text}");
            }
        }
    }

    #[test]
    fn what_reaches_beyond_the_stream_is_refused_by_name() {
        for text in [
            "grep -f /etc/passwd x",
            "grep -r x",
            "grep -R x /",
            "sort -o x",
            "sort -T /tmp",
            "sort --compress-program=sh",
            "sort --files0-from=x",
            "sed -i s/a/b/",
            "sed -n -i.bak p",
            "sed -f x",
            "awk -f x",
            "awk -i x p",
            "tail -f",
            "jq --slurpfile a /etc/passwd .",
            "jq --rawfile a /etc/passwd .",
            "jq -f x",
            "jq -L / .",
            "jq -rf x",
            "yq -i .",
            "yq -s .a",
            "yq --security-enable-system-operator .",
            "yq --from-file x",
            "wc --files0-from=x",
        ] {
            assert!(
                matches!(read(text), Err(FilterError::RefusedFlag { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
        for text in [
            "awk 'BEGIN{system(\"id\")}'",
            "sed '1e id'",
            "sed -e p -e 'w x'",
            "jq env",
            "jq -n '$ENV'",
            "yq 'load(\"/etc/passwd\")'",
            "yq -n 'strenv(HOME)'",
        ] {
            assert!(
                matches!(read(text), Err(FilterError::Script { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
        for text in [
            "grep x /etc/passwd",
            "head /etc/passwd",
            "sort - /etc/passwd",
            "awk '{print}' /etc/passwd",
            "awk 1 -f x",
            "sed p /etc/passwd",
            "jq . /etc/passwd",
            "yq . /etc/passwd",
            "tr a b c",
            "wc file",
            "column -t file",
            "uniq - out",
        ] {
            assert!(
                matches!(read(text), Err(FilterError::Operand { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
        for text in [
            "xargs rm",
            "sh -c id",
            "tee x",
            "kubectl get pods",
            "/bin/grep x",
            "busybox sh",
            "env",
            "",
            "gojq .",
        ] {
            assert!(
                matches!(read(text), Err(FilterError::NotAFilter { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
    }

    #[test]
    fn a_mistake_is_told_with_what_may_have_been_meant() {
        assert!(matches!(
            read("grep --ignore-cas x"),
            Err(FilterError::UnknownFlag {
                nearest: Some("--ignore-case"),
                ..
            })
        ));
        assert!(
            matches!(read("grep -Z x"), Err(FilterError::UnknownFlag { nearest: None, known, .. }) if known.contains("-i"))
        );
        assert!(matches!(
            read("head -n many"),
            Err(FilterError::Value { flag: "-n", .. })
        ));
        assert!(matches!(
            read("sort -t ab"),
            Err(FilterError::Value { flag: "-t", .. })
        ));
        assert!(matches!(
            read("cut -f a"),
            Err(FilterError::Value { flag: "-f", .. })
        ));
        assert!(matches!(
            read("head -n"),
            Err(FilterError::MissingValue { .. })
        ));
        assert!(matches!(
            read("head -n 1 -n 2"),
            Err(FilterError::RepeatedFlag { flag: "-n", .. })
        ));
        for text in ["grep", "sed", "awk", "tr", "cut -d,", "column"] {
            assert!(
                matches!(read(text), Err(FilterError::Missing { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
        assert!(read("grpe x").unwrap_err().help().contains("`grep`"));
    }

    #[test]
    fn a_program_is_run_under_the_names_of_its_filters_alone() {
        assert!(FilterProgram::Busybox.is_called("awk") && FilterProgram::Gojq.is_called("jq"));
        for (program, name) in [
            (FilterProgram::Busybox, "sh"),
            (FilterProgram::Busybox, "busybox"),
            (FilterProgram::Busybox, "jq"),
            (FilterProgram::Yq, "jq"),
        ] {
            assert!(!program.is_called(name), "{name}");
        }
    }
}
