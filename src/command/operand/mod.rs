//! Operands, typed per verb: resources, names, charts, and the namespaces that some tools accept inside
//! of an operand (`web-0.team-a`, `team-a/web`).
//!
//! What a policy judges is what this finds; a verb without a row here has plain words.

mod kubectl;

use std::collections::BTreeMap;

use super::{error::CommandError, invocation::FlagValue, parse::is_dns_label};
use crate::{
    catalogue::{CommandPath, Tool},
    excerpt::Excerpt,
};

/// What the operands of a command name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Canonical resources, sorted, each once.
    pub(super) resources: Vec<String>,
    /// Names of objects, releases and applications, without type and namespace.
    pub(super) names: Vec<String>,
    /// Namespaces inside of operands.
    pub(super) namespaces: Vec<String>,
    /// Charts that helm is asked to read.
    pub(super) charts: Vec<String>,
}

/// A command whose operands are to be typed.
pub(super) struct Operands<'a> {
    pub(super) tool: Tool,
    pub(super) path: &'a CommandPath,
    pub(super) flags: &'a BTreeMap<String, Vec<FlagValue>>,
}

impl Operands<'_> {
    /// Types `operands`; kubectl's resource tokens are rewritten to names that can be read in one way only.
    ///
    /// # Errors
    /// A [`CommandError`] that names the first word that the verb cannot take.
    pub(super) fn named(&self, operands: &mut [String]) -> Result<Named, CommandError> {
        let words: Vec<&str> = self.path.words().iter().map(String::as_str).collect();
        match self.tool {
            Tool::Kubectl => self.kubectl(&words, operands),
            Tool::Helm => self.helm(&words, operands),
            Tool::Istioctl => self.istioctl(&words, operands),
            Tool::Argocd => self.argocd(&words, operands),
        }
    }

    /// Releases, then a chart where the verb reads one (helm v4 pkg/action/install.go, NameAndChart).
    fn helm(&self, verb: &[&str], operands: &[String]) -> Result<Named, CommandError> {
        let mut named = Named::default();
        let releases = match (verb, operands) {
            (["install" | "template" | "upgrade"] | ["show", _], [releases @ .., chart]) => {
                named.charts.push(self.chart(chart)?);
                releases
            }
            (["rollback"], [release, revision]) if revision.bytes().all(|byte| byte.is_ascii_digit()) => std::slice::from_ref(release),
            (["status" | "history" | "rollback" | "test" | "uninstall"] | ["get", _], releases) => releases,
            _ => return Ok(plain(operands)),
        };
        for release in releases {
            named.names.push(self.name(release)?);
        }
        Ok(named)
    }

    /// A chart that somebody serves. What is on this machine is nobody's chart.
    fn chart(&self, word: &str) -> Result<String, CommandError> {
        let served = word.starts_with("oci://") || word.starts_with("https://");
        let in_repository = word.split_once('/').is_some_and(|(repository, chart)| is_object_name(repository) && is_object_name(chart));
        if served || in_repository {
            Ok(word.to_owned())
        } else {
            Err(self.refused(word, "it is a chart on this machine, and there are none"))
        }
    }

    /// `NAME[.NAMESPACE]` and `TYPE/NAME[.NAMESPACE]`: the last dot behind the last slash counts
    /// (istioctl/pkg/util/handlers/handlers.go, inferNsInfo).
    fn istioctl(&self, verb: &[&str], operands: &[String]) -> Result<Named, CommandError> {
        let takes_workloads = matches!(
            verb,
            ["proxy-config" | "ztunnel-config", _]
                | ["proxy-status"]
                | ["experimental", "describe", _]
                | ["experimental", "authz", "check"]
                | ["experimental", "check-inject"]
        );
        if !takes_workloads {
            return Ok(plain(operands));
        }
        let mut named = Named::default();
        for word in operands {
            let (resource, object) = word.rsplit_once('/').map_or((None, word.as_str()), |(resource, object)| (Some(resource), object));
            if let Some(resource) = resource {
                self.name(resource)?;
            }
            let (name, namespace) = object.rsplit_once('.').map_or((object, None), |(name, namespace)| (name, Some(namespace)));
            named.names.push(self.name(name).map_err(|_| self.refused(word, "it is not the name of an object"))?);
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        Ok(named)
    }

    /// `[NAMESPACE/]NAME` of applications and sets of them (argocd util/argo/argo.go, ParseFromQualifiedName).
    fn argocd(&self, verb: &[&str], operands: &[String]) -> Result<Named, CommandError> {
        let mut named = Named { namespaces: self.flags.get("app-namespace").cloned().unwrap_or_default(), ..Named::default() };
        let (applications, rest) = match (verb, operands) {
            (["app", "sync" | "wait" | "delete"] | ["appset", "get" | "delete"], all) => (all, &[][..]),
            (["appset", ..], all) => (&[][..], all),
            (["app", ..], [application, rest @ ..]) => (std::slice::from_ref(application), rest),
            (_, all) => (&[][..], all),
        };
        for word in applications {
            let (namespace, name) = word.split_once('/').map_or((None, word.as_str()), |(namespace, name)| (Some(namespace), name));
            named.names.push(self.name(name).map_err(|_| self.refused(word, "it is not the name of an application"))?);
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        named.names.extend(rest.iter().cloned());
        Ok(named)
    }

    fn namespace(&self, word: &str, namespace: &str) -> Result<String, CommandError> {
        if is_dns_label(namespace) { Ok(namespace.to_owned()) } else { Err(self.refused(word, "it holds something else than a namespace")) }
    }

    fn name(&self, word: &str) -> Result<String, CommandError> {
        if is_object_name(word) { Ok(word.to_owned()) } else { Err(self.refused(word, "it is not the name of an object")) }
    }

    fn refused(&self, word: &str, why: &'static str) -> CommandError {
        CommandError::Operand { tool: self.tool, path: self.path.clone(), word: Excerpt::new(word), why }
    }
}

/// Words that only the tool understands; a policy's `names` sees them as they stand.
fn plain(operands: &[String]) -> Named {
    Named { names: operands.to_vec(), ..Named::default() }
}

/// Names of objects: path segments of the API, so no `/`, `%`, `.` or `..`; RBAC has colons.
fn is_object_name(word: &str) -> bool {
    (1..=253).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte))
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
}
