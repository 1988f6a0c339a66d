//! Words + [`Catalogue`] -> [`Invocation`], by cobra's and pflag's own rules, and stricter where
//! those surprise (cobra v1.10.2 command.go, pflag v1.0.10 flag.go).
//!
//! cobra looks for the verb with a cruder scan than pflag parses with: a flag that the root does
//! not know eats the next word, and another verb runs. So before the verb only root-persistent
//! flags are accepted, a command with sub-commands takes no operand, and a lone `-` or an empty
//! word, which that scan does not see, is no operand at all.

use std::{collections::BTreeMap, vec};

use super::{
    duration::go_duration,
    error::CommandError,
    invocation::{Invocation, Never},
    operand::{Named, Operands},
};
use crate::{
    catalogue::{
        Catalogue, CommandNode, Flag, FlagKind, flag_lettered, flag_named, flags_in_scope, resource,
    },
    excerpt::Excerpt,
    nearest::nearest,
    tool::Tool,
};

/// The word that ends kubectl's early scan for verbosity; `argv()` puts it first, `parse` drops it.
pub(super) const QUIET: &str = "--v=0";

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
    let mut reading = Reading {
        catalogue,
        lineage: vec![catalogue.root()],
        flags: BTreeMap::new(),
        given: Vec::new(),
        operands: Vec::new(),
        sealed: None,
    };
    let mut words = words.into_iter();
    let mut after_dash = None;
    let mut first = true;
    while let Some(word) = words.next() {
        let is_first = std::mem::take(&mut first);
        if is_first && catalogue.tool() == Tool::Kubectl && word == QUIET {
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
    reading.finish(after_dash, namespace)
}

struct Reading<'a> {
    catalogue: &'a Catalogue,
    /// From the root to the command found so far.
    lineage: Vec<&'a CommandNode>,
    flags: BTreeMap<String, Vec<String>>,
    /// Each flag that was given, as the command found so far has it.
    given: Vec<&'a Flag>,
    operands: Vec<String>,
    /// The first flag that is not persistent on the root: behind it no verb is looked for.
    sealed: Option<Excerpt>,
}

impl<'a> Reading<'a> {
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
            "-" => Some("there is no standard input behind it"),
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
            let names = node
                .children
                .iter()
                .filter(|child| !child.hidden)
                .map(CommandNode::name);
            return Err(CommandError::UnknownVerb {
                tool: self.tool(),
                version: self.catalogue.version().to_owned(),
                path: node.path.clone(),
                word: Excerpt::new(&word),
                nearest: self
                    .verb_for(&word)
                    .or_else(|| nearest(&word, names).map(str::to_owned)),
            });
        }
        self.operands.push(word);
        Ok(())
    }

    /// `pods` alone is a question that lacks its verb.
    fn verb_for(&self, word: &str) -> Option<String> {
        let is_root = self.node().path.words().is_empty() && self.tool() == Tool::Kubectl;
        (is_root && resource::canonical(word.split('/').next()?).is_some())
            .then(|| format!("get {word}"))
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
                for element in elements(flag, value)? {
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
        let nearest = if shown.starts_with("--") {
            nearest(&wanted, names).map(|name| format!("--{name}"))
        } else {
            None
        };
        CommandError::UnknownFlag {
            tool: self.tool(),
            path: self.node().path.clone(),
            flag: Excerpt::new(shown),
            nearest,
        }
    }

    fn finish(
        mut self,
        after_dash: Option<Vec<String>>,
        namespace: Option<&str>,
    ) -> Result<Invocation, CommandError> {
        let node = self.node();
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
        if let Some(namespace) = namespace {
            self.take_namespace(namespace)?;
        }
        // Only these run a program that stands behind it; for all others the words are plain
        // arguments, and they can be written without it.
        let path = node.path.to_string();
        let runs_program = self.tool() == Tool::Kubectl
            && matches!(
                path.as_str(),
                "exec" | "debug" | "run" | "create job" | "create cronjob" | "create deployment"
            );
        if after_dash.is_some() && !runs_program && !help {
            let why = "nothing runs behind it; write the arguments without it";
            return Err(CommandError::Operand {
                tool: self.tool(),
                path: node.path.clone(),
                word: Excerpt::new("--"),
                why,
            });
        }
        self.no_early_scan_bait()?;
        let named = match help {
            true => Named::default(),
            false => Operands {
                tool: self.tool(),
                path: &node.path,
                flags: &self.flags,
            }
            .named(&mut self.operands)?,
        };
        let never = self.never(help).map(Box::new);
        let classes = self
            .given
            .iter()
            .filter_map(|flag| Some((flag.name.clone(), flag.hazard.as_ref()?.class)))
            .collect();
        Ok(Invocation {
            tool: self.tool(),
            path: node.path.clone(),
            flags: self.flags,
            operands: self.operands,
            named,
            after_dash,
            class: node.hazard.as_ref().map(|hazard| hazard.class),
            classes,
            never,
        })
    }

    /// Help does nothing of what its verb would do.
    fn never(&self, help: bool) -> Option<Never> {
        let node = self.node();
        if let (Some(why), false) = (node.never(), help) {
            let help = node
                .hazard
                .as_ref()
                .map_or(UNCLASSED_HELP, |hazard| hazard.class.instead());
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
            let help = flag
                .hazard
                .as_ref()
                .map_or(UNCLASSED_HELP, |hazard| hazard.class.instead());
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
    /// all of them, before either parses (threat model, 0.3). The rendering and the child's
    /// environment disarm that; no honest word needs it.
    fn no_early_scan_bait(&self) -> Result<(), CommandError> {
        let bait = |word: &&String| match self.tool() {
            Tool::Kubectl => word.contains("--kuberc") || word.contains("-v="),
            Tool::Helm => word.starts_with('-') && word.len() > 1,
            Tool::Argocd | Tool::Istioctl => false,
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

/// The elements of a list, each to be given by itself: a policy judges every one. pflag reads CSV
/// (v1.0.10 string_slice.go), where quotes join what commas part; no honest element needs them.
fn elements(flag: &Flag, value: String) -> Result<Vec<String>, CommandError> {
    let several = value.contains(',');
    let elements: Vec<String> = value.split(',').map(str::to_owned).collect();
    if value.contains('"') || several && elements.iter().any(String::is_empty) {
        let expected = "values with single commas between them, and no double quotes";
        return Err(CommandError::Value {
            flag: flag.name.clone(),
            expected,
            value: Excerpt::new(&value),
        });
    }
    Ok(elements)
}

/// Checks a value against its flag's type; the result is what the tool will read.
pub(crate) fn typed_value(flag: &Flag, value: String) -> Result<String, CommandError> {
    let wrong = |expected, value: &str| CommandError::Value {
        flag: flag.name.clone(),
        expected,
        value: Excerpt::new(value),
    };
    // Go reads `010` as eight (strconv.ParseInt with base 0), and klog as ten.
    let digits = |text: &str| {
        !text.is_empty()
            && text.len() <= 18
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    let unsigned = |text: &str| text.strip_prefix('-').unwrap_or(text).to_owned();
    match flag.kind {
        FlagKind::Bool => match value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".into()),
            _ => Err(wrong("true or false", &value)),
        },
        FlagKind::Int | FlagKind::IntList if digits(&unsigned(&value)) => Ok(value),
        FlagKind::Int | FlagKind::IntList => Err(wrong("a whole number", &value)),
        FlagKind::Uint if digits(&value) => Ok(value),
        FlagKind::Uint => Err(wrong("a whole number from 0", &value)),
        FlagKind::Float if value.parse::<f32>().is_ok_and(f32::is_finite) => Ok(value),
        FlagKind::Float => Err(wrong("a number", &value)),
        FlagKind::Duration if go_duration(&unsigned(&value)).is_some() => Ok(value),
        FlagKind::Duration => Err(wrong("a duration like 30s or 5m", &value)),
        // All four tools mean the same by it, and all of them put it into the URL that they ask
        // for.
        FlagKind::Text if flag.name == "namespace" && !is_dns_label(&value) => Err(wrong(
            "a namespace name (lower-case letters, digits and hyphens)",
            &value,
        )),
        // kubectl reads the names of formats in any case (cli-runtime pkg/genericclioptions).
        FlagKind::Text if flag.name == "output" => {
            let format = ["json", "yaml", "name", "wide", "kyaml"]
                .into_iter()
                .find(|format| format.eq_ignore_ascii_case(&value));
            Ok(format.map_or(value, str::to_owned))
        }
        FlagKind::List | FlagKind::Text => Ok(value),
    }
}

/// RFC 1123: what a namespace may be called.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::split;

    fn read(text: &str) -> Result<Invocation, CommandError> {
        let catalogue = Catalogue::carried()
            .unwrap()
            .into_iter()
            .find(|catalogue| catalogue.tool() == Tool::Kubectl)
            .unwrap();
        parse(&catalogue, split(Tool::Kubectl, text).unwrap(), None)
    }

    fn argv(text: &str) -> String {
        read(text).unwrap().argv().join(" ")
    }

    #[test]
    fn every_spelling_renders_to_the_same_argv() {
        let one = "kubectl --v=0 get --all-namespaces=true --output=wide pods.v1.";
        for text in [
            "get pods -A -o wide",
            "get pods -Aowide",
            "get po -Ao=wide",
            "get -A --output wide pod",
            "get --output=wide pods --all-namespaces",
            "get pods.v1. -A=true -owide",
        ] {
            assert_eq!(argv(text), one, "{text}");
        }
        assert_eq!(
            argv("-n web get pods"),
            "kubectl --v=0 get --namespace=web pods.v1."
        );
        assert_eq!(
            argv("rollout -n web status deploy/web"),
            "kubectl --v=0 rollout status --namespace=web deployments.v1.apps/web"
        );
        assert_eq!(
            argv("get po,svc"),
            "kubectl --v=0 get pods.v1.,services.v1."
        );
        assert_eq!(
            argv("logs deploy/web -p"),
            "kubectl --v=0 logs --previous=true deployments.v1.apps/web"
        );
    }

    #[test]
    fn rendering_and_reading_again_changes_nothing() {
        for text in [
            "get pods -A -o wide",
            "logs web-0 -c app --tail=5",
            "get pods -L a -L b",
            "exec web-0 -- ls -la",
            "--help",
            "delete pod web --dry-run",
        ] {
            let invocation = read(text).unwrap();
            let catalogue = Catalogue::carried().unwrap().remove(0);
            let again = parse(&catalogue, invocation.argv().split_off(1), None).unwrap();
            assert_eq!(again, invocation, "{text}");
        }
    }

    #[test]
    fn a_flag_before_the_verb_must_be_persistent_on_the_root() {
        // cobra takes `get` for the flag's value and runs `delete` (cobra v1.10.2 command.go,
        // stripFlags).
        assert!(
            matches!(read("--recursive get delete pods web"), Err(CommandError::UnknownFlag { flag, .. }) if flag == "--recursive".into())
        );
        assert!(matches!(
            read("rollout -R status deploy/web"),
            Err(CommandError::UnknownFlag { .. })
        ));
        assert!(matches!(
            read("--help get pods"),
            Err(CommandError::FlagBeforeVerb { .. })
        ));
        // Found by the differential test: a group that takes the next word hides the verb from
        // cobra's search,
        assert!(matches!(
            read("create -Rk namespace"),
            Err(CommandError::MissingValue { .. })
        ));
        // and a flag of the verb's own hides the root's flag of that name, its letter included.
        assert!(matches!(
            read("config set-cluster -sname"),
            Err(CommandError::UnknownFlag { .. })
        ));
        assert!(matches!(
            read("config --insecure-skip-tls-verify=true set-cluster x"),
            Err(CommandError::UnknownFlag { .. })
        ));
        assert!(matches!(
            read("apply --filename=x view-last-applied secret/db"),
            Err(CommandError::FlagBeforeVerb { .. })
        ));
    }

    #[test]
    fn what_is_not_in_the_catalogue_does_not_exist() {
        assert!(
            matches!(read("gett pods"), Err(CommandError::UnknownVerb { nearest: Some(name), .. }) if name == "get")
        );
        assert!(matches!(
            read("__complete get pods"),
            Err(CommandError::UnknownVerb { .. })
        ));
        assert!(
            matches!(read("get pods --outpu=name"), Err(CommandError::UnknownFlag { nearest: Some(name), .. }) if name == "--output")
        );
        for text in [
            "get pods --NO-HEADERS",
            "get pods --no_headers",
            "get pods -Z",
            "get pods -test.v",
            "get pods --kuberc=/x",
            "create foo",
        ] {
            assert!(
                matches!(
                    read(text),
                    Err(CommandError::UnknownFlag { .. } | CommandError::UnknownVerb { .. })
                ),
                "{text}: {:?}",
                read(text)
            );
        }
    }

    #[test]
    fn values_have_their_flags_type() {
        assert!(matches!(
            read("get pods -o="),
            Err(CommandError::MissingValue { .. })
        ));
        assert!(matches!(
            read("get pods -o"),
            Err(CommandError::MissingValue { .. })
        ));
        assert!(matches!(
            read("logs web-0 --tail=many"),
            Err(CommandError::Value { .. })
        ));
        assert!(matches!(
            read("wait pod/x --for=delete --timeout=30"),
            Err(CommandError::Value { .. })
        ));
        assert!(matches!(
            read("get pods --watch=maybe"),
            Err(CommandError::Value { .. })
        ));
        // Go reads it as eight.
        assert!(matches!(
            read("logs web-0 --tail=010"),
            Err(CommandError::Value { .. })
        ));
        assert!(matches!(
            read("get pods -n ''"),
            Err(CommandError::Value { .. })
        ));
        assert!(matches!(
            read("get pods -n ../secrets"),
            Err(CommandError::Value { .. })
        ));
        assert!(matches!(
            read("get pods --namespace=a -n b"),
            Err(CommandError::RepeatedFlag { .. })
        ));
        // A flag with a bare value never takes the next word: `client` is a name here, as for
        // kubectl.
        assert_eq!(
            argv("delete pod web --dry-run client"),
            "kubectl --v=0 delete --dry-run=unchanged pods.v1. web client"
        );
    }

    #[test]
    fn operands_are_names_and_known_resources() {
        for text in [
            "get pods ''",
            "get pods -",
            "get pods 'web 0'",
            "get pods ../secrets/db",
            "get pods a%2f..%2fsecrets",
            "get pods .",
            "get pods @x",
            "get pods/a b",
        ] {
            assert!(
                matches!(
                    read(text),
                    Err(CommandError::Operand { .. } | CommandError::UnknownResource { .. })
                ),
                "{text}: {:?}",
                read(text)
            );
        }
        for text in [
            "get all",
            "get sneaky",
            "get pods,all",
            "get networ\u{212a}policies",
            "get secrets.v1.apps",
        ] {
            assert!(
                matches!(read(text), Err(CommandError::UnknownResource { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
        assert_eq!(
            read("get SECRETS,po db").unwrap().resources(),
            ["pods", "secrets"]
        );
        assert_eq!(
            read("get widgets.v1.example.com").unwrap().resources(),
            ["widgets.example.com"]
        );
        // kubectl would read this as version `example` of group `com`.
        assert!(matches!(
            read("get widgets.example.com"),
            Err(CommandError::UnknownResource { .. })
        ));
        assert!(
            matches!(read("get gateways"), Err(CommandError::UnknownResource { nearest: Some(both), .. }) if both == "gateways.networking.istio.io` or `gateways.gateway.networking.k8s.io")
        );
    }

    fn of_tool(tool: Tool, text: &str) -> Result<Invocation, CommandError> {
        let catalogue = Catalogue::carried()
            .unwrap()
            .into_iter()
            .find(|catalogue| catalogue.tool() == tool)
            .unwrap();
        parse(&catalogue, split(tool, text).unwrap(), None)
    }

    #[test]
    fn writing_verbs_name_resources_too() {
        for (text, resources, names) in [
            ("label pod web app=x tier-", &["pods"][..], &["web"][..]),
            (
                "annotate deploy/web deploy/api note='a b'",
                &["deployments.apps"],
                &["web", "api"],
            ),
            ("taint node n1 key=v:NoSchedule other-", &["nodes"], &["n1"]),
            (
                "set image deploy/web app=nginx:1.27",
                &["deployments.apps"],
                &["web"],
            ),
            (
                "set env deployment web A=1 B-",
                &["deployments.apps"],
                &["web"],
            ),
            (
                "set serviceaccount deploy web builder",
                &["deployments.apps"],
                &["web"],
            ),
            ("cordon n1", &["nodes"], &["n1"]),
            ("drain node/n1", &["nodes"], &["n1"]),
            ("top pod", &["pods"], &[]),
            (
                "certificate approve a",
                &["certificatesigningrequests.certificates.k8s.io"],
                &["a"],
            ),
            (
                "create configmap settings --from-literal=a=b",
                &["configmaps"],
                &["settings"],
            ),
            (
                "create secret generic db --from-literal=a=b",
                &["secrets"],
                &["db"],
            ),
            ("create token builder", &["serviceaccounts"], &["builder"]),
            ("run web --image=nginx", &["pods"], &["web"]),
            (
                "exec deploy/web -c app -- ls",
                &["deployments.apps"],
                &["web"],
            ),
            ("apply view-last-applied secret/db", &["secrets"], &["db"]),
        ] {
            let invocation = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (invocation.resources(), invocation.names()),
                (&own(resources)[..], &own(names)[..]),
                "{text}"
            );
        }
        for text in [
            "label pods web a=b other",
            "label pods web =x a=b",
            "exec web-0 ls",
            "top pod pods/web",
            "create token sa/builder",
        ] {
            assert!(
                matches!(read(text), Err(CommandError::Operand { .. })),
                "{text}: {:?}",
                read(text)
            );
        }
    }

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_list_of_numbers_holds_numbers() {
        // Found by 100,000 lines of tests/differential.
        let catalogues = Catalogue::carried().unwrap();
        let argocd = catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == Tool::Argocd)
            .unwrap();
        let read = |text| parse(argocd, split(Tool::Argocd, text).unwrap(), None);
        assert_eq!(
            read("app manifests web --source-positions 1,2")
                .unwrap()
                .flags()["source-positions"],
            own(&["1", "2"])
        );
        for text in [
            "app manifests web --source-positions a",
            "app manifests web --source-positions 1,b",
        ] {
            assert!(
                matches!(read(text), Err(CommandError::Value { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn what_contacts_nobody_is_known() {
        for (tool, text, offline) in [
            (Tool::Kubectl, "completion bash", true),
            (Tool::Kubectl, "version --client", true),
            (Tool::Kubectl, "version", false),
            (Tool::Kubectl, "delete pod web-0 --help", true),
            (Tool::Istioctl, "completion bash", true),
            (Tool::Istioctl, "manifest generate", true),
            (
                Tool::Istioctl,
                "manifest generate --cluster-specific",
                false,
            ),
            (Tool::Istioctl, "analyze --use-kube=false", true),
            (Tool::Istioctl, "analyze", false),
            (Tool::Istioctl, "version --remote=false", true),
            (Tool::Istioctl, "waypoint generate", false), // for the namespace of the kubeconfig
            (Tool::Argocd, "account bcrypt --password=x", true),
            (Tool::Argocd, "account get-user-info", false),
            (Tool::Helm, "version", true),
            (Tool::Helm, "list", false),
        ] {
            assert_eq!(of_tool(tool, text).unwrap().is_offline(), offline, "{text}");
        }
    }

    #[test]
    fn namespaces_and_charts_inside_of_operands_are_seen() {
        for (tool, text, names, namespaces, charts) in [
            (
                Tool::Istioctl,
                "pc cluster web-0.team-a",
                &["web-0"][..],
                &["team-a"][..],
                &[][..],
            ),
            (
                Tool::Istioctl,
                "pc cluster deploy/web.v2.team-a",
                &["web.v2"],
                &["team-a"],
                &[],
            ),
            (Tool::Istioctl, "x describe svc web", &["web"], &[], &[]),
            (
                Tool::Argocd,
                "app get team-a/web",
                &["web"],
                &["team-a"],
                &[],
            ),
            (
                Tool::Argocd,
                "app sync web api -N team-b",
                &["web", "api"],
                &["team-b"],
                &[],
            ),
            (Tool::Argocd, "app rollback web 3", &["web"], &[], &[]),
            (
                Tool::Helm,
                "install web oci://charts.example.com/web",
                &["web"],
                &[],
                &["oci://charts.example.com/web"],
            ),
            (
                Tool::Helm,
                "upgrade web stable/web -n team-a",
                &["web"],
                &["team-a"],
                &["stable/web"],
            ),
            (Tool::Helm, "rollback web 2", &["web"], &[], &[]),
            (Tool::Helm, "uninstall web api", &["web", "api"], &[], &[]),
        ] {
            let invocation = of_tool(tool, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found = (
                invocation.names().to_vec(),
                invocation.own_namespaces(),
                invocation.charts().to_vec(),
            );
            assert_eq!(
                found,
                (own(names), namespaces.to_vec(), own(charts)),
                "{text}"
            );
        }
        for (tool, text) in [
            (Tool::Istioctl, "pc cluster web-0."),
            (Tool::Istioctl, "pc cluster ../x.team-a"),
            (Tool::Argocd, "app get a/b/c"),
            (Tool::Argocd, "app get Team/web"),
            (Tool::Helm, "install web ./chart"),
            (Tool::Helm, "install web chart"),
            (Tool::Helm, "install web http://charts.example.com/web.tgz"),
            (Tool::Helm, "template web file:///x"),
            (Tool::Helm, "status a/b"),
        ] {
            let found = of_tool(tool, text);
            assert!(
                matches!(found, Err(CommandError::Operand { .. })),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn what_no_policy_may_allow_travels_with_the_command() {
        for text in [
            "get pods --token=x",
            "get pods -s https://evil.example",
            "get --raw=/api",
            "config view",
            "proxy",
            "edit deploy/web",
            "apply -f x.yaml",
            "get pods -o jsonpath-file=/etc/passwd",
            "get pods -o go-template-file --template=/x",
            "delete pod web --help --as=admin",
        ] {
            assert!(read(text).unwrap().never().is_some(), "{text}");
        }
        for text in [
            "get pods",
            "apply -f -",
            "config view --help",
            "get pods -o jsonpath={.a}",
            "debug web-0 --profile=general --image=x",
        ] {
            assert_eq!(read(text).unwrap().never(), None, "{text}");
        }
    }

    #[test]
    fn the_requests_namespace_is_the_commands_or_an_error() {
        let catalogue = Catalogue::carried().unwrap().remove(0);
        let of = |text: &str| {
            parse(&catalogue, split(Tool::Kubectl, text).unwrap(), Some("web"))
                .map(|invocation| invocation.argv().join(" "))
        };
        assert_eq!(
            of("get pods").unwrap(),
            "kubectl --v=0 get --namespace=web pods.v1."
        );
        assert_eq!(
            of("get pods -n web").unwrap(),
            "kubectl --v=0 get --namespace=web pods.v1."
        );
        assert!(matches!(
            of("get pods -n other"),
            Err(CommandError::NamespaceConflict { .. })
        ));
    }
}
