//! [`ToolSpec`]: all that is peculiar to one tool, as one value.
//!
//! Data for the rooms below, and nothing of theirs: each row says what a tool is like, and the room
//! that acts on it says what follows. No field has a default, so a tool that leaves one out does
//! not compile.

use super::{
    commands::Commands,
    misnomer::{Misnomer, TerminalFlags},
    operand::{NamingFlag, OperandGrammar, ProjectGrammar},
};

/// All that this server has to know of one tool.
#[derive(Debug)]
pub struct ToolSpec {
    /// The tool's name: its argv\[0\], its route, its MCP tool name and the name of its binary.
    pub name: &'static str,
    /// What shells and people call it, which is no name of it here.
    pub aliases: &'static [&'static str],
    /// A command that shows callers how one is written, without the tool's name.
    pub example: &'static str,
    /// The generated catalogues, the newest version first (`policy/catalogue/<tool>-<minor>.json`).
    pub catalogues: &'static [&'static str],
    /// The classes of its verbs and flags (`policy/catalogue/<tool>.hazards.toml`).
    pub hazards: &'static str,
    /// What its verbs may ask of the Kubernetes API (`policy/catalogue/<tool>.api.toml`); none for
    /// one that asks it nothing.
    pub api: Option<&'static str>,
    /// How its command line is read.
    pub grammar: Grammar,
    /// How its binary reports its version.
    pub version: VersionQuestion,
    /// The commands that contact no server; cobra's own `completion` and `help` need no row.
    pub offline: &'static [Commands],
    /// The commands about the request's own kubeconfig, which is all that they read.
    pub about_kubeconfig: &'static [Commands],
    /// The commands that look into no namespace, whatever is the default.
    pub in_no_namespace: &'static [Commands],
    /// What the operands of a verb are.
    pub operands: fn(verb: &[&str]) -> OperandGrammar,
    /// The flags of a verb whose values name what it touches.
    pub naming_flags: fn(verb: &[&str]) -> &'static [NamingFlag],
    /// Whose projects the applications of a verb are.
    pub projects: fn(verb: &[&str]) -> ProjectGrammar,
    /// Which of a rule's lists its operands are held against.
    pub lists: RuleLists,
    /// What is called otherwise elsewhere.
    pub misnomers: &'static [Misnomer],
    /// What a caller does instead of verbs that no policy allows; a row's verb stands for all below
    /// it.
    pub instead: &'static [Misnomer],
    /// The verbs with `--stdin` and `--tty`, which are left out: there is no terminal.
    pub terminal: &'static [TerminalFlags],
    /// The verb that a lone resource lacks: `pods` was meant to be `get pods`.
    pub implied_verb: Option<&'static str>,
    /// The verbs whose operands are beginnings of names: they touch every object that has one.
    pub prefix_verbs: &'static [&'static str],
    /// How the names of flags begin that hold several assignments in one value.
    pub packed_flags: Option<&'static str>,
    /// What a request brings for it.
    pub access: AccessKind,
    /// The namespace of a command that names none.
    pub namespace: DefaultNamespace,
    /// The variables of its children, beside those that every child has.
    pub environment: &'static [Variable],
    /// The variable that leads its connections to the server's tunnel.
    pub proxy: fn(Need) -> ProxyVariable,
    /// What commands need of the sandbox; the first row that holds counts, else [`Need::Server`].
    pub needs: &'static [(Commands, Need)],
    /// What policies may allow and this server cannot run yet.
    pub not_yet: &'static [NotYet],
    /// The commands that print until they are ended: at their bound they have done what was asked.
    pub endless: &'static [Commands],
    /// The commands that print a log, and the flags that make a part of it all that is printed.
    pub logs: &'static [LogCommand],
    /// What flags mean for an answer that the server adds them to.
    pub meanings: &'static [Meaning],
    /// The flags whose value is a request of the Kubernetes API.
    pub raw: &'static [RawRequest],
    /// Failures that its own words do not explain.
    pub failures: &'static [KnownFailure],
    /// Whether its table of API requests ([`Self::api`]) explains all that its verbs ask.
    pub explains_all: bool,
    /// Whether nothing that it does needs the values of Secrets: where its API requests are judged,
    /// it gets marks in their place.
    pub is_without_secrets: bool,
    /// How many of it wait for a call, where the settings do not say.
    pub warm: u16,
}

/// How a command line is read.
///
/// All four tools are cobra's; one that is not gets a variant, and `command` a second reader.
#[derive(Clone, Copy, Debug)]
pub enum Grammar {
    /// Verbs by cobra, flags by pflag.
    Cobra(Cobra),
}

/// What a cobra program does beside cobra and pflag.
#[derive(Clone, Copy, Debug)]
pub struct Cobra {
    /// The word that its argv begins with, where it scans the words before it parses them.
    pub first_word: Option<&'static str>,
    /// What it looks for in its words before it parses them.
    pub early_scan: EarlyScan,
    /// The verbs that run the words behind `--` as a program.
    pub programs: &'static [&'static str],
}

/// What a tool looks for in its words before it parses them.
#[derive(Clone, Copy, Debug)]
pub enum EarlyScan {
    /// Its global flags, among all words: what begins with a dash.
    Flags,
    /// These texts, inside of any word.
    Inside(&'static [&'static str]),
    /// Nothing.
    Nothing,
}

/// How a binary reports its version: it runs `TOOL version` with these flags.
#[derive(Clone, Copy, Debug)]
pub struct VersionQuestion {
    /// The flags, by long name, and their values. With them it contacts no server.
    pub flags: &'static [(&'static str, &'static str)],
    /// Where its answer has the version.
    pub answer: VersionAnswer,
}

/// Where the answer to `TOOL version` has the version, with or without a leading `v`.
#[derive(Clone, Copy, Debug)]
pub enum VersionAnswer {
    /// In JSON, at this pointer (RFC 6901).
    Json(&'static str),
    /// In the text itself, up to a `+`.
    Text,
}

/// Which of a rule's lists the operands of a tool are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleLists {
    /// `names`.
    Names,
    /// `names` and `charts`.
    NamesAndCharts,
    /// `names` and `resources`.
    NamesAndResources,
}

/// What a request brings for a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// An Argo CD server and a token.
    Argocd,
    /// A kubeconfig, or the name of a cluster of the operator's.
    Kubeconfig,
    /// Nothing: its commands reach no server.
    Nothing,
}

/// The namespace of a command that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultNamespace {
    /// That of the kubeconfig's context.
    OfContext,
    /// The tool's own, whatever a kubeconfig says; policies call it so, wherever it is.
    Own(&'static str),
}

/// A variable of a tool's children.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: VariableValue,
}

/// The value of a variable.
#[derive(Clone, Copy, Debug)]
pub enum VariableValue {
    /// This text.
    Fixed(&'static str),
    /// The helper's path and these words; a child without a helper does not have the variable.
    Helper(&'static str),
    /// The child's home, and this behind it.
    Home(&'static str),
}

/// The variable that leads a tool's connections to the server's tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVariable {
    /// `ALL_PROXY`, to SOCKS5: golang.org/x/net/proxy.
    All,
    /// `HTTPS_PROXY`, to CONNECT: Go's net/http.
    Https,
}

impl ProxyVariable {
    /// Whether it counts for every server; net/http dials one on loopback by itself.
    pub fn is_for_loopback_too(self) -> bool {
        match self {
            Self::All => true,
            Self::Https => false,
        }
    }
}

/// What a command needs of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its server, and a helper that compares files which it writes.
    Helper,
    /// Its server, and ports on loopback where it talks to itself.
    Ports,
    /// The same, and the addresses of this host.
    PortsAndAddresses,
    /// Its server alone.
    Server,
    /// Its server, and a socket file through which it talks to itself.
    SocketFile,
}

/// What policies may allow and this server cannot run yet: better refused than half done.
#[derive(Clone, Copy, Debug)]
pub struct NotYet {
    /// The commands.
    pub what: NotYetWhat,
    /// The reason, for the caller.
    pub reason: &'static str,
    /// What to do instead.
    pub hint: &'static str,
}

/// The commands that cannot run yet.
#[derive(Clone, Copy, Debug)]
pub enum NotYetWhat {
    /// Those that name a chart.
    Charts,
    /// These.
    Commands(Commands),
}

/// A command that prints a log.
#[derive(Clone, Copy, Debug)]
pub struct LogCommand {
    /// The command.
    pub commands: Commands,
    /// The flag that leaves all but so many lines at its end out, by long name.
    pub last_lines: &'static str,
    /// The flag that leaves all but so many bytes at its beginning out, by long name.
    pub first_bytes: Option<&'static str>,
    /// How a caller asks for another part of it.
    pub more: &'static str,
}

/// What a flag that the server adds means for the answer, where its name does not say it.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// The commands with that flag.
    pub commands: Commands,
    /// The flag's long name.
    pub flag: &'static str,
    /// What it means.
    pub means: &'static str,
}

/// A failure that the tool's own words do not explain.
#[derive(Clone, Copy, Debug)]
pub struct KnownFailure {
    /// What standard error then holds.
    pub stderr: &'static str,
    /// What the failure means, for the caller.
    pub hint: &'static str,
}

/// A flag whose value is the path of a request, which is read as one.
#[derive(Clone, Copy, Debug)]
pub struct RawRequest {
    /// The verb that has the flag.
    pub verb: &'static str,
    /// Its long name.
    pub flag: &'static str,
    /// The method of the request.
    pub method: &'static str,
}
