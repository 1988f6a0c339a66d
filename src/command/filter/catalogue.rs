//! What each filter takes: its flags, their values, its operands. Written by hand; what is not here
//! does not exist.
//!
//! The text tools are busybox's (1.35), jq is gojq, yq is mikefarah's; a flag that theirs do not
//! have is not here either, even where GNU's has it.

use super::program::FilterProgram::{self, Busybox, Column, Gojq, Yq};

/// One filter.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) program: FilterProgram,
    pub(super) flags: &'static [FilterFlag],
    pub(super) operands: Operands,
    /// The flag that `-5` stands for.
    pub(super) number: Option<&'static str>,
}

/// One flag.
#[derive(Debug)]
pub(super) struct FilterFlag {
    /// As it is rendered.
    pub(super) name: &'static str,
    /// Its other spellings.
    pub(super) also: &'static [&'static str],
    pub(super) takes: Takes,
}

/// What stands behind a flag, and what becomes of both.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// It is a switch.
    Nothing,
    /// A switch that says what is so anyway.
    Ignored,
    /// A switch that is read as another one, and why.
    ReadAs(&'static str, &'static str),
    /// One value, and the flag at most once.
    One(ValueForm),
    /// One value each time.
    Many(ValueForm),
    /// A name and a value each time (`--arg`).
    Pair,
    /// It may not be given.
    Refused(&'static str),
}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueForm {
    /// `5`.
    Number,
    /// `5`, `-5`, `+5`, and `5k`.
    Count,
    /// A single character.
    Character,
    /// `1,3-5`.
    List,
    /// `2,2nr`.
    Key,
    /// `name=value`.
    Assignment,
    /// `true` or `false`.
    Truth,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
}

/// What stands behind the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Nothing.
    None,
    /// A pattern, unless `-e` has been given.
    Pattern,
    /// A script of sed's, unless `-e` has been given.
    SedScript,
    /// A program of awk's.
    AwkProgram,
    /// One or two sets of characters.
    Sets,
    /// A query of jq's; `.` when there is none.
    Query,
    /// An expression of yq's, and before it how it is evaluated; `.` when there is none.
    Expression,
}

const READS_A_FILE: &str = "it reads a file";
const WRITES_A_FILE: &str = "it writes a file";
const RUNS_A_PROGRAM: &str = "it runs a program";
/// What `kubectl top` prints has one unit per column.
pub(super) const BY_NUMBER: &str = "lines are compared by their numbers alone, which is right where all have the same unit, and wrong where Mi stands beside Gi";
const FOLLOWS: &str = "it waits for more, and a command's output ends";

const fn switch(name: &'static str, also: &'static [&'static str]) -> FilterFlag {
    FilterFlag {
        name,
        also,
        takes: Takes::Nothing,
    }
}

const fn ignored(name: &'static str, also: &'static [&'static str]) -> FilterFlag {
    FilterFlag {
        name,
        also,
        takes: Takes::Ignored,
    }
}

const fn one(name: &'static str, also: &'static [&'static str], value: ValueForm) -> FilterFlag {
    FilterFlag {
        name,
        also,
        takes: Takes::One(value),
    }
}

const fn many(name: &'static str, also: &'static [&'static str], value: ValueForm) -> FilterFlag {
    FilterFlag {
        name,
        also,
        takes: Takes::Many(value),
    }
}

const fn refused(
    name: &'static str,
    also: &'static [&'static str],
    why: &'static str,
) -> FilterFlag {
    FilterFlag {
        name,
        also,
        takes: Takes::Refused(why),
    }
}

const fn busybox(
    name: &'static str,
    flags: &'static [FilterFlag],
    operands: Operands,
    number: Option<&'static str>,
) -> Spec {
    Spec {
        name,
        program: Busybox,
        flags,
        operands,
        number,
    }
}

/// Every filter. `egrep` and `fgrep` are `grep`'s (see `spelt`).
pub(super) const SPECS: [Spec; 13] = [
    busybox("awk", AWK, Operands::AwkProgram, None),
    Spec {
        name: "column",
        program: Column,
        flags: COLUMN,
        operands: Operands::None,
        number: None,
    },
    busybox("cut", CUT, Operands::None, None),
    busybox("grep", GREP, Operands::Pattern, Some("-C")),
    busybox("head", HEAD, Operands::None, Some("-n")),
    Spec {
        name: "jq",
        program: Gojq,
        flags: JQ,
        operands: Operands::Query,
        number: None,
    },
    busybox("sed", SED, Operands::SedScript, None),
    busybox("sort", SORT, Operands::None, None),
    busybox("tail", TAIL, Operands::None, Some("-n")),
    busybox("tr", TR, Operands::Sets, None),
    busybox("uniq", UNIQ, Operands::None, None),
    busybox("wc", WC, Operands::None, None),
    Spec {
        name: "yq",
        program: Yq,
        flags: YQ,
        operands: Operands::Expression,
        number: None,
    },
];

/// Returns the names of every filter, for messages and documents.
pub fn filter_names() -> String {
    SPECS.map(|spec| spec.name).join(", ")
}

impl FilterProgram {
    /// Whether it is run under this name: busybox is also a shell.
    pub fn is_called(self, name: &str) -> bool {
        SPECS
            .iter()
            .any(|spec| spec.program == self && spec.name == name)
    }
}

const GREP: &[FilterFlag] = &[
    switch("-E", &["--extended-regexp"]),
    switch("-F", &["--fixed-strings"]),
    ignored("-G", &["--basic-regexp"]),
    switch("-i", &["-y", "--ignore-case"]),
    switch("-v", &["--invert-match"]),
    switch("-w", &["--word-regexp"]),
    switch("-x", &["--line-regexp"]),
    switch("-c", &["--count"]),
    switch("-n", &["--line-number"]),
    switch("-o", &["--only-matching"]),
    switch("-q", &["--quiet", "--silent"]),
    ignored("-h", &["--no-filename"]),
    ignored("-s", &["--no-messages"]),
    ignored("-a", &["--text"]),
    ignored(
        "--line-buffered",
        &[
            "--color=auto",
            "--color=never",
            "--colour=auto",
            "--colour=never",
            "--color",
            "--colour",
        ],
    ),
    one("-m", &["--max-count"], ValueForm::Number),
    one("-A", &["--after-context"], ValueForm::Number),
    one("-B", &["--before-context"], ValueForm::Number),
    one("-C", &["--context"], ValueForm::Number),
    many("-e", &["--regexp"], ValueForm::Text),
    refused("-f", &["--file"], READS_A_FILE),
    refused(
        "-r",
        &["-R", "--recursive", "--dereference-recursive"],
        "it reads folders",
    ),
    switch("-P", &["--perl-regexp"]),
];

const HEAD: &[FilterFlag] = &[
    one("-n", &["--lines"], ValueForm::Count),
    one("-c", &["--bytes"], ValueForm::Count),
    ignored("-q", &["--quiet", "--silent"]),
];

const TAIL: &[FilterFlag] = &[
    one("-n", &["--lines"], ValueForm::Count),
    one("-c", &["--bytes"], ValueForm::Count),
    ignored("-q", &["--quiet", "--silent"]),
    refused("-f", &["-F", "--follow", "--retry"], FOLLOWS),
];

const SORT: &[FilterFlag] = &[
    switch("-b", &["--ignore-leading-blanks"]),
    switch("-c", &["--check"]),
    switch("-d", &["--dictionary-order"]),
    switch("-f", &["--ignore-case"]),
    switch("-g", &["--general-numeric-sort"]),
    switch("-i", &["--ignore-nonprinting"]),
    switch("-M", &["--month-sort"]),
    switch("-n", &["--numeric-sort"]),
    switch("-r", &["--reverse"]),
    switch("-s", &["--stable"]),
    switch("-u", &["--unique"]),
    switch("-V", &["--version-sort"]),
    many("-k", &["--key"], ValueForm::Key),
    one("-t", &["--field-separator"], ValueForm::Character),
    refused("-o", &["--output"], WRITES_A_FILE),
    refused("-T", &["--temporary-directory"], WRITES_A_FILE),
    refused("--compress-program", &[], RUNS_A_PROGRAM),
    refused("--files0-from", &["--random-source"], READS_A_FILE),
    FilterFlag {
        name: "-h",
        also: &["--human-numeric-sort"],
        takes: Takes::ReadAs("-n", BY_NUMBER),
    },
];

const UNIQ: &[FilterFlag] = &[
    switch("-c", &["--count"]),
    switch("-d", &["--repeated"]),
    switch("-i", &["--ignore-case"]),
    switch("-u", &["--unique"]),
    one("-f", &["--skip-fields"], ValueForm::Number),
    one("-s", &["--skip-chars"], ValueForm::Number),
    one("-w", &["--check-chars"], ValueForm::Number),
];

const WC: &[FilterFlag] = &[
    switch("-c", &["--bytes"]),
    switch("-l", &["--lines"]),
    switch("-L", &["--max-line-length"]),
    switch("-m", &["--chars"]),
    switch("-w", &["--words"]),
    refused("--files0-from", &[], READS_A_FILE),
];

const CUT: &[FilterFlag] = &[
    one("-b", &["--bytes"], ValueForm::List),
    one("-c", &["--characters"], ValueForm::List),
    one("-d", &["--delimiter"], ValueForm::Character),
    one("-f", &["--fields"], ValueForm::List),
    one("-O", &["--output-delimiter"], ValueForm::Text),
    switch("-s", &["--only-delimited"]),
];

const TR: &[FilterFlag] = &[
    switch("-c", &["-C", "--complement"]),
    switch("-d", &["--delete"]),
    switch("-s", &["--squeeze-repeats"]),
];

const SED: &[FilterFlag] = &[
    switch("-n", &["--quiet", "--silent"]),
    switch("-E", &["-r", "--regexp-extended"]),
    many("-e", &["--expression"], ValueForm::Text),
    ignored("-u", &["--unbuffered"]),
    ignored("-s", &["--separate"]),
    refused("-i", &["--in-place"], WRITES_A_FILE),
    refused("-f", &["--file"], READS_A_FILE),
];

const AWK: &[FilterFlag] = &[
    one("-F", &["--field-separator"], ValueForm::Text),
    many("-v", &["--assign"], ValueForm::Assignment),
    refused("-f", &["--file", "-E", "--exec"], READS_A_FILE),
    refused("-i", &["--include", "-l", "--load"], READS_A_FILE),
];

const JQ: &[FilterFlag] = &[
    switch("--compact-output", &["-c"]),
    switch("--exit-status", &["-e"]),
    switch("--join-output", &["-j"]),
    switch("--null-input", &["-n"]),
    switch("--raw-input", &["-R"]),
    switch("--raw-output", &["-r"]),
    switch("--slurp", &["-s"]),
    switch("--stream", &[]),
    switch("--tab", &[]),
    switch("--yaml-input", &[]),
    switch("--yaml-output", &[]),
    // Keys are always sorted, nothing is coloured, and what is read is read as it comes.
    ignored("--sort-keys", &["-S"]),
    ignored(
        "--monochrome-output",
        &["-M", "-C", "--color-output", "--unbuffered"],
    ),
    one("--indent", &[], ValueForm::Number),
    FilterFlag {
        name: "--arg",
        also: &[],
        takes: Takes::Pair,
    },
    FilterFlag {
        name: "--argjson",
        also: &[],
        takes: Takes::Pair,
    },
    refused("--slurpfile", &["--rawfile", "--argfile"], READS_A_FILE),
    refused("--from-file", &["-f"], READS_A_FILE),
    refused("--library-path", &["-L"], READS_A_FILE),
];

const FORMATS: &[&str] = &[
    "auto", "a", "yaml", "y", "kyaml", "ky", "json", "j", "props", "p", "csv", "c", "tsv", "t",
    "xml", "x", "base64", "uri", "toml", "shell", "s", "ini", "i",
];

const YQ: &[FilterFlag] = &[
    switch("--exit-status", &["-e"]),
    switch("--no-doc", &["-N"]),
    switch("--null-input", &["-n"]),
    switch("--prettyPrint", &["-P"]),
    one("--unwrapScalar", &["-r"], ValueForm::Truth),
    one("--indent", &["-I"], ValueForm::Number),
    one("--input-format", &["-p"], ValueForm::OneOf(FORMATS)),
    one("--output-format", &["-o"], ValueForm::OneOf(FORMATS)),
    one("--expression", &[], ValueForm::Text),
    ignored("--no-colors", &["-M", "-C", "--colors"]),
    ignored("--security-disable-env-ops", &[]),
    ignored("--security-disable-file-ops", &[]),
    refused("--inplace", &["-i"], WRITES_A_FILE),
    refused("--split-exp", &["-s", "--split-exp-file"], WRITES_A_FILE),
    refused("--from-file", &[], READS_A_FILE),
    refused("--front-matter", &["-f"], READS_A_FILE),
    refused("--security-enable-system-operator", &[], RUNS_A_PROGRAM),
];

const COLUMN: &[FilterFlag] = &[
    switch("-t", &["--table"]),
    one("-s", &["--separator"], ValueForm::Text),
    one("-o", &["--output-separator"], ValueForm::Text),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_names_every_filter_and_no_other() {
        let text = include_str!("../../../README.md");
        let (_, list) = text.split_once("\nThey are `grep`").unwrap();
        let (list, _) = list.split_once("up to seven").unwrap();
        let mut named: Vec<&str> = list
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|quoted| quoted.split(' ').next().unwrap())
            .filter(|name| !["egrep", "fgrep"].contains(name))
            .chain(["grep"])
            .collect();
        named.sort_unstable();
        assert_eq!(named.join(", "), filter_names());
    }
}
