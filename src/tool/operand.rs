//! [`OperandGrammar`]: what the operands of a verb are, as policies see them. `command` reads them.

/// What the operands of a verb are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandGrammar {
    /// Applications of Argo CD, `[NAMESPACE/]NAME`, and what stands behind them.
    Applications(Applications),
    /// `NAME`, then a revision, which is a number.
    NameThenRevision,
    /// `NAME…`
    Names,
    /// `NAME… CHART`
    NamesThenChart,
    /// `NAME…` of this resource, and no other
    NamesOf(&'static str),
    /// `NAME` of an object of this resource that is made, then plain words
    New(&'static str),
    /// None; files of this machine, elsewhere
    NoFiles,
    /// `NAME`, or `TYPE/NAME`, of this resource when no type is given; then this many plain words
    ObjectOf(&'static str, usize),
    /// `TYPE[,TYPE] [NAME…]` or `TYPE/NAME…`
    Objects,
    /// The same, then `KEY=VALUE…`, `KEY-…` and what else holds this character
    ObjectsAndPairs(Option<char>),
    /// The same, then one more word
    ObjectsAndWord,
    /// `NAME…` of this resource, or `TYPE/NAME…`
    ObjectsOf(&'static str),
    /// Anything, as it stands; the command stays where its flags say
    Words(Reach),
    /// Pods and what else has a proxy, `[TYPE/]NAME[.NAMESPACE]`; without one, all of them
    Workloads(Reach),
}

/// Where a command reaches, beside what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every namespace, or what lies outside of them.
    Everywhere,
    /// Also this namespace.
    Into(&'static str),
    /// Nowhere else.
    Named,
}

/// Which of a verb's operands are applications. A verb without one reaches every namespace, unless
/// a flag names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applications {
    /// All; but none beside a selector or a project, which add to them or take their place.
    All,
    /// The first; the others, revisions and actions, are no names.
    First,
    /// The first; policies see the others as names too.
    FirstThenNames,
    /// None, and the others are not names either.
    None,
    /// None; policies see the operands as names.
    Outside,
}

/// Whose projects a verb's applications are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectGrammar {
    /// Any: the command does not say.
    Any,
    /// Those of its first operand.
    FirstOperand,
    /// Those that `--project` names, and none but them.
    Flag,
    /// None: the tool has no projects.
    None,
}

/// A flag whose values name what a command touches.
#[derive(Clone, Copy, Debug)]
pub struct NamingFlag {
    /// Its long name.
    pub flag: &'static str,
    /// What its values are.
    pub names: FlagNames,
}

/// What the values of a flag are.
#[derive(Clone, Copy, Debug)]
pub enum FlagNames {
    /// Names of objects.
    Name,
    /// Namespaces.
    Namespace,
    /// `NAMESPACE:NAME` of accounts, whose namespace is touched.
    NamespaceOfAccount,
    /// `TYPE/NAME` of objects.
    Object,
}
