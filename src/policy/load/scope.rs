//! What a rule is about besides its verbs, flags and resources: callers, names, namespaces,
//! clusters.
//!
//! Comes in: lists of globs. Goes out: globs each of which can match something. What no command, no
//! Kubernetes and no setting can hold would make a deny rule empty and nobody would see it.

use toml::Spanned;

use super::{
    loading::{Loading, nearest},
    verbs::Chosen,
};
use crate::{
    catalogue::resource,
    command::is_dns_label,
    excerpt::Excerpt,
    glob,
    policy::{
        effect::Effect,
        error::PolicyError,
        file::{List, Names, RawFile, RawRule},
        known::Known,
        rule::Subjects,
    },
    tool::{AccessKind, OperandGrammar, RuleLists},
};

/// What the texts of a list are.
struct Kind {
    /// In words, for a message.
    what: &'static str,
    may_hold: fn(char) -> bool,
}

const CLUSTER: Kind = Kind {
    what: "cluster names, hosts or host:port",
    may_hold: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c),
};
const NAMESPACE: Kind = Kind {
    what: "namespaces",
    may_hold: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
};
/// RFC 1123, and the colons of RBAC.
const OBJECT: Kind = Kind {
    what: "names of objects, which are lower-case letters, digits, `-`, `.` and `:`",
    may_hold: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:_".contains(c),
};
const CASED_OBJECT: Kind = Kind {
    what: "names",
    may_hold: |c| c.is_ascii_alphanumeric() || "-.:_".contains(c),
};
/// What `identity` takes for a name, and any word of a command.
const WORD: Kind = Kind {
    what: "names, which hold no blank",
    may_hold: |c| c.is_ascii_graphic(),
};

impl Loading<'_> {
    /// A list of globs; an empty one matches nothing, which nobody means.
    pub(super) fn globs(
        &self,
        list: Option<&Spanned<List>>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = list else { return Ok(None) };
        if spanned.get_ref().is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                Some("leave the key out to match everything".into()),
            ));
        }
        for glob in spanned.get_ref() {
            self.has_no_blank_at_its_ends(glob)?;
            if glob.get_ref().is_empty() {
                return Err(self.error(glob.span(), "an empty text matches nothing", None));
            }
        }
        let globs = spanned.get_ref().iter();
        Ok(Some(globs.map(|glob| glob.get_ref().clone()).collect()))
    }

    /// Refuses a blank that nobody sees.
    pub(super) fn has_no_blank_at_its_ends(
        &self,
        text: &Spanned<String>,
    ) -> Result<(), PolicyError> {
        let trimmed = text.get_ref().trim();
        if trimmed == text.get_ref() {
            return Ok(());
        }
        let message = format!("{} has a blank at its end", Excerpt::new(text.get_ref()));
        Err(self.error(text.span(), &message, Some(format!("write `{trimmed}`"))))
    }

    /// Globs whose characters can occur in what they are matched with.
    fn globs_of(
        &self,
        list: Option<&Spanned<List>>,
        kind: &Kind,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let globs = self.globs(list)?;
        let can_occur = |glob: &&Spanned<String>| {
            let mut characters = glob.get_ref().chars();
            characters.all(|character| character == '*' || (kind.may_hold)(character))
        };
        let mut listed = list.into_iter().flat_map(Spanned::get_ref);
        let Some(wrong) = listed.find(|glob| !can_occur(glob)) else {
            return Ok(globs);
        };
        let text = wrong.get_ref();
        let message = format!(
            "{} is no glob of {}, so it never matches",
            Excerpt::new(text),
            kind.what
        );
        let plain = text.to_ascii_lowercase();
        let help = (plain != *text && plain.chars().all(|c| c == '*' || (kind.may_hold)(c)))
            .then(|| format!("did you mean `{plain}`?"));
        Err(self.error(wrong.span(), &message, help))
    }

    /// Globs of callers, each of whom the settings know.
    pub(super) fn callers(&self, raw: &RawRule) -> Result<Option<Subjects>, PolicyError> {
        let principals = self.globs_of(raw.principals.as_ref(), &WORD)?;
        let groups = self.globs_of(raw.groups.as_ref(), &WORD)?;
        if let Some(known) = self.known {
            let (principals, groups) = (raw.principals.as_ref(), raw.groups.as_ref());
            self.are_known(principals, "principal", &known.principals)?;
            self.are_known(groups, "group", &known.groups)?;
        }
        Ok(
            (principals.is_some() || groups.is_some()).then(|| Subjects {
                principals: principals.unwrap_or_default(),
                groups: groups.unwrap_or_default(),
            }),
        )
    }

    /// Refuses a glob that covers none of the names of the settings.
    fn are_known(
        &self,
        list: Option<&Spanned<List>>,
        what: &str,
        known: &[String],
    ) -> Result<(), PolicyError> {
        let covers =
            |glob: &&Spanned<String>| known.iter().any(|name| glob::matches(glob.get_ref(), name));
        let mut listed = list.into_iter().flat_map(Spanned::get_ref);
        match listed.find(|glob| !covers(glob)) {
            Some(glob) => Err(self.not_known(glob, what, known)),
            None => Ok(()),
        }
    }

    fn not_known(&self, glob: &Spanned<String>, what: &str, known: &[String]) -> PolicyError {
        let text = glob.get_ref();
        let message = format!(
            "the settings know no {what} {}, so this rule never matches",
            Excerpt::new(text)
        );
        let help = nearest(text, known.iter().map(String::as_str)).unwrap_or_else(|| match known {
            [] => format!("the settings name no {what}"),
            _ => format!("the settings know {}", known.join(", ")),
        });
        self.error(glob.span(), &message, Some(help))
    }

    /// Globs of clusters.
    pub(super) fn clusters(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        let globs = self.globs_of(raw.clusters.as_ref(), &CLUSTER)?;
        let own_access = raw.tool.spec().access != AccessKind::Kubeconfig;
        for glob in raw.clusters.iter().flat_map(Spanned::get_ref) {
            if raw.effect == Effect::Deny && is_host(glob.get_ref()) {
                return Err(self.error(
                    glob.span(),
                    "a deny rule by host binds one spelling: the same server has an address and other names",
                    Some("name in the allow rules the clusters that are meant, or deny a cluster that the settings name ([clusters.NAME]): that binds its server and its certificate authority".into()),
                ));
            }
            if let Some(known) = self.known {
                self.is_known_cluster(glob, known, own_access)?;
            }
        }
        Ok(globs)
    }

    /// Globs of the named clusters that a file opens for its rules without `clusters`.
    pub(super) fn open_clusters(&self, raw: &RawFile) -> Result<Vec<String>, PolicyError> {
        let listed = raw.open_clusters.as_ref();
        let globs = self.globs_of(listed, &CLUSTER)?;
        for glob in listed.into_iter().flat_map(Spanned::get_ref) {
            if is_host(glob.get_ref()) {
                let message = format!(
                    "{} is a host, and clusters are opened by the names that the settings give them",
                    Excerpt::new(glob.get_ref())
                );
                return Err(self.error(glob.span(), &message, None));
            }
            if let Some(known) = self.known {
                let named = Known {
                    own_kubeconfigs: false,
                    ..known.clone()
                };
                self.is_known_cluster(glob, &named, false)?;
            }
        }
        Ok(globs.unwrap_or_default())
    }

    /// Refuses a glob of clusters that covers none of which the settings know, and no server that a
    /// caller may bring.
    fn is_known_cluster(
        &self,
        glob: &Spanned<String>,
        known: &Known,
        own_access: bool,
    ) -> Result<(), PolicyError> {
        let text = glob.get_ref();
        let own = own_access || known.own_kubeconfigs;
        let covers = |name: &String| glob::matches(text, name);
        let names: Vec<String> = known.clusters.iter().map(|of| of.name.clone()).collect();
        let of_servers = || known.clusters.iter().flat_map(|of| &of.servers);
        if names.iter().any(covers) || of_servers().any(covers) {
            return Ok(());
        }
        // A host of one label is written with its port: else a misspelt name would pass for one.
        if own && is_host(text) || own && text.contains('*') && names.is_empty() {
            return Ok(());
        }
        Err(self.not_known(glob, "cluster", &names))
    }

    /// Globs of namespaces.
    pub(super) fn namespaces(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        self.namespaces_of(raw.namespaces.as_ref())
    }

    /// The same of objects.
    pub(super) fn namespaces_of(
        &self,
        list: Option<&Spanned<List>>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let globs = self.globs_of(list, &NAMESPACE)?;
        let can_be = |glob: &&Spanned<String>| is_dns_label(&glob.get_ref().replace('*', "x"));
        let mut listed = list.into_iter().flat_map(Spanned::get_ref);
        match listed.find(|glob| !can_be(glob)) {
            Some(glob) => Err(self.error(
                glob.span(),
                &format!("no namespace can be called {}", Excerpt::new(glob.get_ref())),
                Some("a namespace has at most 63 letters, digits and hyphens, and begins and ends with none of the last".into()),
            )),
            None => Ok(globs),
        }
    }

    /// Globs of what a command names.
    pub(super) fn names(
        &self,
        raw: &RawRule,
        chosen: &Chosen<'_>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let kind = match (names_objects(raw, chosen), has_cased_names(raw)) {
            (true, false) => &OBJECT,
            (true, true) => &CASED_OBJECT,
            (false, _) => &WORD,
        };
        self.globs_of(raw.names.as_ref(), kind)
    }
}

/// Whether a text of `clusters` is about hosts, and no name of a cluster.
fn is_host(text: &str) -> bool {
    text.contains(['.', ':', '['])
}

/// Whether all that the rule's verbs name are objects, releases or applications.
fn names_objects(raw: &RawRule, chosen: &Chosen<'_>) -> bool {
    let is_object = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (raw.tool.spec().operands)(&words) {
            OperandGrammar::NameThenRevision
            | OperandGrammar::Names
            | OperandGrammar::NamesOf(_)
            | OperandGrammar::NamesThenChart
            | OperandGrammar::New(_)
            | OperandGrammar::ObjectOf(..)
            | OperandGrammar::Objects
            | OperandGrammar::ObjectsAndPairs(_)
            | OperandGrammar::ObjectsAndWord
            | OperandGrammar::ObjectsOf(_)
            | OperandGrammar::Workloads(_) => true,
            OperandGrammar::Applications(_)
            | OperandGrammar::NoFiles
            | OperandGrammar::Words(_) => false,
        }
    };
    let mut nodes = chosen.commands.iter().filter_map(|lineage| lineage.last());
    chosen.by_name && nodes.all(|node| is_object(node.path.words()))
}

/// Whether the rule may be about objects whose names have capital letters: RBAC's own and custom
/// ones.
fn has_cased_names(raw: &RawRule) -> bool {
    let Some(listed) = &raw.resources else {
        return false;
    };
    let is_kubectl = raw.tool.spec().lists == RuleLists::NamesAndResources;
    let text = match listed.get_ref() {
        Names::Set(_) => return is_kubectl,
        Names::List(list) => list,
    };
    let is_cased = |name: &Spanned<String>| {
        let group = name.get_ref().split_once('.').map(|(_, group)| group);
        name.get_ref().starts_with('@')
            || group.is_some_and(|group| {
                group == "rbac.authorization.k8s.io" || !resource::has_group(group)
            })
    };
    is_kubectl && text.iter().any(is_cased)
}
