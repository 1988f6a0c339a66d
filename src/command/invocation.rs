//! [`Invocation`]: what one command line means, and its one rendering.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{CString, NulError},
    fmt,
    path::Path,
};

use super::{
    adjustment::Adjustment,
    operand::{CustomName, Named, NamedObject},
};
use crate::catalogue::{
    CommandPath, Flag, FlagClass, FlagValues, Mask, OperandMask, VerbClass, resource,
};
use crate::tool::{Commands, DefaultNamespace, Grammar, Need, ProjectGrammar, Tool};

/// The namespaces that a command touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces<'a> {
    /// All of them: `--all-namespaces`, or the namespaces themselves without a name.
    All,
    /// These; none for what lives outside of namespaces.
    These(Vec<&'a str>),
}

/// A parsed command: canonical verb, checked flags, typed operands. Only [`super::parse`] makes
/// one:
///
/// ```compile_fail,E0451
/// use kube_airlock::command::Invocation;
/// fn forged(read: Invocation) -> Invocation {
///     Invocation { operands: vec!["secrets".into()], ..read }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    pub(super) tool: Tool,
    pub(super) path: CommandPath,
    pub(super) flags: BTreeMap<String, Vec<String>>,
    pub(super) operands: Vec<String>,
    pub(super) named: Named,
    pub(super) after_dash: Option<Vec<String>>,
    /// What the verb does.
    pub(super) class: Option<VerbClass>,
    /// What each given flag does, as this verb has it.
    pub(super) classes: BTreeMap<String, FlagClass>,
    /// What rules see in the values of given flags, where there is more than a text.
    pub(super) values: BTreeMap<String, FlagValues>,
    /// The given flags whose values name a text of the request.
    pub(super) reads: BTreeSet<String>,
    /// Those of them that read objects.
    pub(super) manifests: BTreeSet<String>,
    pub(super) never: Option<Box<Never>>,
    /// What differs from the words that were sent.
    pub(super) changes: Vec<Adjustment>,
    /// What records do not show of the given flags' values.
    pub(super) masks: BTreeMap<String, Mask>,
    /// What they do not show of its operands.
    pub(super) operand_mask: Option<OperandMask>,
}

/// The reason why no policy may allow a command: what it requests, and what that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Never {
    pub(super) what: String,
    pub(super) why: String,
    pub(super) help: &'static str,
}

impl Never {
    /// What to do instead.
    pub fn help(&self) -> &'static str {
        self.help
    }
}

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is never allowed: {}", self.what, self.why)
    }
}

impl Invocation {
    /// Makes the command `TOOL version` by which `inventory` learns a binary's version; it contacts no
    /// server.
    pub(crate) fn version_probe(tool: Tool) -> Self {
        Self {
            tool,
            path: CommandPath::new(vec!["version".to_owned()]),
            flags: tool
                .spec()
                .version
                .flags
                .iter()
                .map(|&(name, value)| (name.to_owned(), vec![value.to_owned()]))
                .collect(),
            operands: Vec::new(),
            named: Named::default(),
            after_dash: None,
            class: Some(VerbClass::Local),
            classes: BTreeMap::new(),
            values: BTreeMap::new(),
            reads: BTreeSet::new(),
            manifests: BTreeSet::new(),
            never: None,
            changes: Vec::new(),
            masks: BTreeMap::new(),
            operand_mask: None,
        }
    }

    /// Why no policy may allow it, when none may: by the classes of its verb and its flags.
    pub fn never(&self) -> Option<&Never> {
        self.never.as_deref()
    }

    /// The tool that runs it.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    /// The canonical verb.
    pub fn path(&self) -> &CommandPath {
        &self.path
    }

    /// What the verb does; none for one that nobody has classed.
    pub fn class(&self) -> Option<VerbClass> {
        self.class
    }

    /// The flags by long name, each with its values in order.
    pub fn flags(&self) -> &BTreeMap<String, Vec<String>> {
        &self.flags
    }

    /// What a given flag does, as this verb has it.
    pub fn flag_class(&self, name: &str) -> Option<FlagClass> {
        self.classes.get(name).copied()
    }

    /// The operands before any `--`, resource tokens in canonical form.
    pub fn operands(&self) -> &[String] {
        &self.operands
    }

    /// The canonical resources that the operands name.
    pub fn resources(&self) -> &[String] {
        &self.named.resources
    }

    /// The objects, releases or applications that the operands name, without type and namespace.
    pub fn names(&self) -> &[String] {
        &self.named.names
    }

    /// The objects that the operands name, each with its type; all of a type where they name none.
    pub fn objects(&self) -> &[NamedObject] {
        &self.named.objects
    }

    /// The objects that flags name: `--from=cronjob/nightly`.
    pub fn objects_of_flags(&self) -> &[NamedObject] {
        &self.named.of_flags
    }

    /// The charts that the operands name.
    pub fn charts(&self) -> &[String] {
        &self.named.charts
    }

    /// What stands behind `--`, when there is one.
    pub fn after_dash(&self) -> Option<&[String]> {
        self.after_dash.as_deref()
    }

    /// The single value of a flag.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags
            .get(name)
            .and_then(|values| values.last())
            .map(String::as_str)
    }

    /// The flags that read a text of the request, each with one of its values: `-`, or the name of a
    /// file.
    pub fn reads(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = self
            .reads
            .iter()
            .filter_map(|name| self.flags.get_key_value(name));
        given.flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| (name.as_str(), value.as_str()))
        })
    }

    /// What of these is a manifest: `-`, or the name of a file.
    pub fn manifests(&self) -> impl Iterator<Item = &str> {
        let given = self
            .manifests
            .iter()
            .filter_map(|name| self.flags.get(name));
        given.flatten().map(String::as_str)
    }

    /// The elements of one value of a flag, as the tool reads them.
    pub fn elements<'v>(&self, flag: &str, value: &'v str) -> Vec<&'v str> {
        match self.values.get(flag) {
            Some(values) => values.elements(value).collect(),
            None => vec![value],
        }
    }

    /// Whether a flag says that the command changes nothing.
    pub fn rehearses(&self, flag: &str) -> bool {
        let given = self.flags.get(flag).zip(self.values.get(flag));
        given.is_some_and(|(given, values)| given.iter().all(|value| values.rehearse(value)))
    }

    /// The pairs that the command writes: `KEY=VALUE`, `KEY-` for one that it removes, and
    /// `image=IMAGE` for an image that a flag names.
    pub fn pairs(&self) -> Vec<String> {
        let mut pairs = self.named.pairs.clone();
        for (flag, values) in &self.values {
            for value in self.flags.get(flag).into_iter().flatten() {
                let elements = values.elements(value).map(str::to_owned);
                match (values.image, values.pairs) {
                    (true, _) => pairs.extend(elements.map(|image| format!("image={image}"))),
                    (false, true) => pairs.extend(elements),
                    (false, false) => {}
                }
            }
        }
        pairs
    }

    /// The projects that it says it is about.
    pub fn projects(&self) -> Vec<String> {
        match self.project_grammar() {
            ProjectGrammar::FirstOperand => self.operands.iter().take(1).cloned().collect(),
            ProjectGrammar::Any | ProjectGrammar::Flag => {
                self.flags.get("project").cloned().unwrap_or_default()
            }
            ProjectGrammar::None => Vec::new(),
        }
    }

    /// Whether it may be about the applications of any project.
    pub fn reaches_any_project(&self) -> bool {
        match self.project_grammar() {
            ProjectGrammar::Any => true,
            // What `app create --upsert` overwrites may be of another project.
            ProjectGrammar::Flag => {
                !self.flags.contains_key("project") || self.flag("upsert") == Some("true")
            }
            ProjectGrammar::FirstOperand => self.operands.is_empty(),
            ProjectGrammar::None => false,
        }
    }

    fn project_grammar(&self) -> ProjectGrammar {
        let words: Vec<&str> = self.path.words().iter().map(String::as_str).collect();
        (self.tool.spec().projects)(&words)
    }

    /// Whether it may write pairs that it does not show: those of an object that a flag names.
    pub fn hides_pairs(&self) -> bool {
        self.values.values().any(|values| values.hides)
    }

    /// Whether its one operand behind the type is the beginning of names: kubectl describes all
    /// that begin with it when nothing is called so, but not behind `TYPE/` (kubectl
    /// pkg/cmd/describe, Run).
    pub fn names_beginnings(&self) -> bool {
        let prefixes = self.tool.spec().prefix_verbs;
        let is_prefix_verb =
            matches!(self.path.words(), [verb] if prefixes.contains(&verb.as_str()));
        is_prefix_verb && matches!(self.operands.as_slice(), [types, _] if !types.contains('/'))
    }

    /// Adds a flag that is absent; a flag that is there stays as the caller wrote it.
    pub(crate) fn inject(&mut self, name: &str, value: &str, as_flag: Option<&Flag>) {
        if self.flags.contains_key(name) {
            return;
        }
        self.flags.insert(name.to_owned(), vec![value.to_owned()]);
        self.changes.push(Adjustment::Added {
            word: format!("--{name}={value}"),
        });
        let class = as_flag
            .and_then(|flag| flag.hazard.as_ref())
            .map(|hazard| hazard.class);
        self.classes
            .extend(class.map(|class| (name.to_owned(), class)));
        let values = as_flag.and_then(|flag| flag.values.clone());
        self.values
            .extend(values.map(|values| (name.to_owned(), values)));
    }

    /// Puts the most that a rule accepts in the place of a value that is above it.
    pub(crate) fn clamp(&mut self, name: &str, value: &str) {
        let Some(given) = self.flags.insert(name.to_owned(), vec![value.to_owned()]) else {
            return;
        };
        let of_flag = format!("--{name}");
        let earlier = self.changes.iter_mut().find_map(|change| match change {
            Adjustment::Clamped { flag, used, .. } if *flag == of_flag => Some(used),
            _ => None,
        });
        match earlier {
            Some(used) => value.clone_into(used),
            None => self.changes.push(Adjustment::Clamped {
                flag: of_flag,
                given: given.join(","),
                used: value.to_owned(),
            }),
        }
    }

    /// What differs from the words that were sent, for the reply.
    pub fn adjustments(&self) -> &[Adjustment] {
        &self.changes
    }

    /// Notes what was changed before these words were read, or in the filters behind them.
    pub fn note(&mut self, changes: impl IntoIterator<Item = Adjustment>) {
        self.changes.extend(changes);
    }

    /// `kubectl api-resources`, for what a cluster has.
    pub(super) fn discovery() -> Self {
        let output = ("output".to_owned(), vec!["json".to_owned()]);
        Self {
            path: CommandPath::new(vec!["api-resources".to_owned()]),
            flags: BTreeMap::from([output]),
            class: Some(VerbClass::Read),
            ..Self::version_probe(Tool::KUBECTL)
        }
    }

    /// Whether this custom resource stands for whatever a cluster may call so.
    pub(crate) fn assumes(&self, resource: &str) -> bool {
        self.named.customs.get(resource) == Some(&CustomName::Assumed)
    }

    /// Whether the cluster's own discovery has this custom resource: then it is called so, and by no
    /// other of its names.
    pub fn has_found(&self, resource: &str) -> bool {
        matches!(
            self.named.customs.get(resource),
            Some(CustomName::Found { .. })
        )
    }

    /// Whether the cluster says of this custom resource that its objects live outside of namespaces.
    pub fn has_found_outside(&self, resource: &str) -> bool {
        let found = self.named.customs.get(resource);
        found
            == Some(&CustomName::Found {
                is_namespaced: false,
            })
    }

    /// Whether it names a custom resource that no table holds.
    pub fn has_customs(&self) -> bool {
        let mut resources = self.resources().iter();
        resources.any(|resource| !resource.is_empty() && !resource::is_canonical(resource))
    }

    /// The words that stand for whatever a cluster may call so.
    pub(super) fn assumed_resources(&self) -> Vec<&str> {
        let customs = self.named.customs.iter();
        let assumed = customs.filter(|(_, name)| **name == CustomName::Assumed);
        assumed.map(|(resource, _)| resource.as_str()).collect()
    }

    /// Returns the command as if it had been sent as it runs.
    pub(crate) fn without_adjustments(mut self) -> Self {
        self.changes.clear();
        self
    }

    /// The namespaces that the command touches: by flag, inside of operands, else `of_context`,
    /// which is the kubeconfig's, or the tool's own.
    pub fn namespaces<'a>(&'a self, of_context: &'a str) -> Namespaces<'a> {
        let objects = self
            .resources()
            .iter()
            .any(|resource| resource == "namespaces");
        if self.flag("all-namespaces") == Some("true")
            || objects && self.names().is_empty()
            || self.named.everywhere
        {
            return Namespaces::All;
        }
        let mut namespaces = self.own_namespaces();
        let mut nowhere = self.tool.spec().in_no_namespace.iter();
        let outside = !self.resources().is_empty()
            && self
                .resources()
                .iter()
                .all(|resource| resource::is_cluster_scoped(resource));
        let outside = outside || nowhere.any(|commands| self.is_one_of(commands));
        let beside = self.named.beside_context
            && !["namespace", "namespaces"]
                .iter()
                .any(|flag| self.flags.contains_key(*flag));
        if namespaces.is_empty() && !outside || beside {
            namespaces.push(match self.tool.spec().namespace {
                DefaultNamespace::OfContext => of_context,
                DefaultNamespace::Own(namespace) => namespace,
            });
        }
        Namespaces::These(namespaces)
    }

    /// The namespaces that the command itself names, by flag or inside of operands.
    pub fn own_namespaces(&self) -> Vec<&str> {
        self.named
            .namespaces
            .iter()
            .map(String::as_str)
            .chain(self.flag("namespace"))
            .collect()
    }

    /// The namespaces that operands name: `describe ns kub` means all that begin so.
    pub fn operand_namespaces(&self) -> &[String] {
        &self.named.namespaces
    }

    /// Whether an object that it names lives outside of namespaces, or may.
    pub fn leaves_namespaces(&self) -> bool {
        self.resources()
            .iter()
            .any(|resource| !resource::is_namespaced(resource))
    }

    /// Whether the tool will only print its help.
    pub fn is_help(&self) -> bool {
        self.flag("help") == Some("true")
    }

    /// Whether the command never contacts a server, so that it needs no kubeconfig and no network.
    pub fn is_offline(&self) -> bool {
        let path = self.path.words();
        let of_cobra = matches!(path, [verb] if verb == "completion" || verb == "help");
        let mut offline = self.tool.spec().offline.iter();
        self.is_help()
            || of_cobra
            || self.is_about_the_kubeconfig()
            || offline.any(|commands| self.is_one_of(commands))
    }

    /// Whether it is about the request's own kubeconfig: its names, which are no credential.
    pub fn is_about_the_kubeconfig(&self) -> bool {
        let mut commands = self.tool.spec().about_kubeconfig.iter();
        !self.is_help() && commands.any(|commands| self.is_one_of(commands))
    }

    /// Whether it is one of these commands.
    pub fn is_one_of(&self, commands: &Commands) -> bool {
        commands.hold(self.path.words(), |flag| self.flag(flag))
    }

    /// What it needs of the sandbox.
    pub fn need(&self) -> Need {
        let mut needs = self.tool.spec().needs.iter();
        needs
            .find(|(commands, _)| self.is_one_of(commands))
            .map_or(Need::Server, |(_, need)| *need)
    }

    /// The argument vector, from these types alone: argv\[0\], the verb, each flag as one
    /// `--long=value` word, the operands, and `--` with the rest last.
    ///
    /// No flag can swallow a word and no value can be read as a flag. kubectl also looks for
    /// `-v=` and `--kuberc=` anywhere in its words before it parses them: a
    /// first `--v=0` ends that search, `KUBECTL_KUBERC=false` in the child's environment the other.
    pub fn argv(&self) -> Vec<String> {
        self.rendered(|_, value| value.to_owned(), |_, operand| operand.to_owned())
    }

    /// [`Self::argv`], with the names of the request's files as they lie in this folder.
    pub fn argv_in(&self, files: &Path) -> Vec<String> {
        let placed = |name: &str, value: &str| match self.reads.contains(name) && value != "-" {
            true => files.join(value).display().to_string(),
            false => value.to_owned(),
        };
        self.rendered(placed, |_, operand| operand.to_owned())
    }

    /// [`Self::argv`], with flags' values and operands (which have a number) as these write them.
    pub(super) fn rendered(
        &self,
        write_value: impl Fn(&str, &str) -> String,
        write_operand: impl Fn(usize, &str) -> String,
    ) -> Vec<String> {
        let mut argv = vec![self.tool.as_str().to_owned()];
        let Grammar::Cobra(cobra) = &self.tool.spec().grammar;
        argv.extend(cobra.first_word.map(str::to_owned));
        argv.extend(self.path.words().iter().cloned());
        for (name, values) in &self.flags {
            argv.extend(
                values
                    .iter()
                    .map(|value| format!("--{name}={}", write_value(name, value))),
            );
        }
        let operands = self.operands.iter().enumerate();
        argv.extend(operands.map(|(number, operand)| write_operand(number, operand)));
        if let Some(rest) = &self.after_dash {
            argv.push("--".into());
            argv.extend(rest.iter().cloned());
        }
        argv
    }

    /// [`Self::argv`] as `execve` takes it.
    ///
    /// # Errors
    /// When a word holds a NUL, which [`super::split`] refuses.
    pub fn argv_c(&self) -> Result<Vec<CString>, NulError> {
        self.argv().into_iter().map(CString::new).collect()
    }
}
