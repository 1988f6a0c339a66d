//! Operands, typed per verb: resources, names, charts, and the namespaces that some tools accept
//! inside of an operand (`web-0.team-a`, `team-a/web`).
//!
//! What a policy judges is what this finds; a verb without a row here has plain words.

mod kubectl;

use std::collections::BTreeMap;

use super::{error::CommandError, value::is_dns_label};
use crate::{catalogue::CommandPath, excerpt::Excerpt, tool::Tool};

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
    /// Whether it reaches every namespace, or what lies outside of them, whatever it names.
    pub(super) everywhere: bool,
}

/// A command whose operands are to be typed.
pub(super) struct Operands<'a> {
    pub(super) tool: Tool,
    pub(super) path: &'a CommandPath,
    pub(super) flags: &'a BTreeMap<String, Vec<String>>,
}

impl Operands<'_> {
    /// Types `operands`; kubectl's resource tokens are rewritten to names that can be read in one
    /// way only.
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

    /// Releases, then a chart where the verb reads one (helm v4 pkg/action/install.go,
    /// NameAndChart).
    fn helm(&self, verb: &[&str], operands: &[String]) -> Result<Named, CommandError> {
        let mut named = Named::default();
        let releases = match (verb, operands) {
            (
                ["install" | "template" | "upgrade" | "lint"] | ["show", _],
                [releases @ .., chart],
            ) => {
                named.charts.push(self.chart(chart)?);
                releases
            }
            (["rollback"], [release, revision])
                if revision.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                std::slice::from_ref(release)
            }
            (["status" | "history" | "rollback" | "test" | "uninstall"] | ["get", _], releases) => {
                releases
            }
            _ => return Ok(plain(operands)),
        };
        for release in releases {
            named.names.push(self.name(release)?);
        }
        Ok(named)
    }

    /// A chart that somebody serves. What is on this machine is nobody's chart.
    fn chart(&self, word: &str) -> Result<String, CommandError> {
        let of_host = word
            .strip_prefix("oci://")
            .or_else(|| word.strip_prefix("https://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_+-".contains(&byte);
        let served = of_host.is_some_and(|rest| {
            rest.bytes().all(plain)
                && !rest.starts_with('/')
                && !rest
                    .split('/')
                    .any(|segment| matches!(segment, "" | "." | ".."))
        });
        let in_repository = word
            .split_once('/')
            .is_some_and(|(repository, chart)| is_object_name(repository) && is_object_name(chart));
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
                | ["experimental", "envoy-stats" | "metrics" | "proxy-status"]
                | ["experimental", "describe", _]
                | ["experimental", "authz", "check"]
                | ["experimental", "check-inject"]
        );
        if !takes_workloads {
            if let (["analyze"], Some(word)) = (verb, operands.first()) {
                return Err(self.refused(word, "it is a file on this machine, and there are none"));
            }
            // Versions, installations, revisions, logs of istiod: what the whole mesh shares.
            let everywhere = !matches!(
                verb,
                ["analyze"] | ["waypoint", _] | ["help" | "options" | "version"]
            );
            return Ok(Named {
                everywhere,
                ..plain(operands)
            });
        }
        // Without a workload they ask about all of them; ztunnel's are in Istio's own namespace.
        let everywhere = operands.is_empty() || verb.first() == Some(&"ztunnel-config");
        let mut named = Named {
            everywhere,
            ..Named::default()
        };
        for word in operands {
            let (resource, object) = word
                .rsplit_once('/')
                .map_or((None, word.as_str()), |(resource, object)| {
                    (Some(resource), object)
                });
            if let Some(resource) = resource {
                self.name(resource)?;
            }
            let (name, namespace) = object
                .rsplit_once('.')
                .map_or((object, None), |(name, namespace)| (name, Some(namespace)));
            named.names.push(
                self.name(name)
                    .map_err(|_| self.refused(word, "it is not the name of an object"))?,
            );
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        Ok(named)
    }

    /// `[NAMESPACE/]NAME` of applications and sets of them (argocd util/argo/argo.go,
    /// ParseFromQualifiedName).
    fn argocd(&self, verb: &[&str], operands: &[String]) -> Result<Named, CommandError> {
        let flag = |name: &str| self.flags.get(name).cloned().unwrap_or_default();
        let mut named = Named {
            namespaces: [flag("app-namespace"), flag("appset-namespace")].concat(),
            ..Named::default()
        };
        let selects = ["selector", "project"]
            .iter()
            .any(|name| self.flags.contains_key(*name));
        let (applications, rest) = match (verb, operands) {
            (["app", "sync" | "wait" | "delete"] | ["appset", "get" | "delete"], all) => {
                // The selected ones are added to those that are named, or take their place.
                if let (Some(word), true) = (all.first(), selects) {
                    return Err(
                        self.refused(word, "a name and a selector or project exclude each other")
                    );
                }
                (all, &[][..])
            }
            (["appset", ..], all) => (&[][..], all),
            // A revision or an action is no name.
            (["app", "rollback"] | ["app", "actions", _], [application, ..]) => {
                (std::slice::from_ref(application), &[][..])
            }
            (["app", ..], [application, rest @ ..]) => (std::slice::from_ref(application), rest),
            (_, all) => (&[][..], all),
        };
        named.names = flag("resource-name");
        // Lists and selections span all namespaces; projects, clusters and accounts are in none.
        let of_applications = matches!(verb, ["app" | "appset", ..]);
        named.everywhere = !of_applications && !matches!(verb, ["help" | "version"])
            || applications.is_empty() && named.namespaces.is_empty();
        for word in applications {
            let (namespace, name) = word
                .split_once('/')
                .map_or((None, word.as_str()), |(namespace, name)| {
                    (Some(namespace), name)
                });
            named.names.push(
                self.name(name)
                    .map_err(|_| self.refused(word, "it is not the name of an application"))?,
            );
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        named.names.extend(rest.iter().cloned());
        Ok(named)
    }

    fn namespace(&self, word: &str, namespace: &str) -> Result<String, CommandError> {
        if is_dns_label(namespace) {
            Ok(namespace.to_owned())
        } else {
            Err(self.refused(word, "it holds something else than a namespace"))
        }
    }

    fn name(&self, word: &str) -> Result<String, CommandError> {
        if is_object_name(word) {
            Ok(word.to_owned())
        } else {
            Err(self.refused(word, "it is not the name of an object"))
        }
    }

    fn refused(&self, word: &str, why: &'static str) -> CommandError {
        CommandError::Operand {
            tool: self.tool,
            path: self.path.clone(),
            word: Excerpt::new(word),
            why,
        }
    }
}

/// Words that only the tool understands; a policy's `names` sees them as they stand.
fn plain(operands: &[String]) -> Named {
    Named {
        names: operands.to_vec(),
        ..Named::default()
    }
}

/// Names of objects: path segments of the API, so no `/`, `%`, `.` or `..`; RBAC has colons.
fn is_object_name(word: &str) -> bool {
    (1..=253).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte))
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
}
