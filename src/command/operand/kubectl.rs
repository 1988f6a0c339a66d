//! kubectl's operands. Resources leave with version and group, which the API server cannot
//! reinterpret; policies see the canonical names.

use super::{Named, Operands, plain};
use crate::{
    catalogue::resource,
    command::{error::CommandError, value::is_dns_label},
    excerpt::Excerpt,
    nearest::nearest,
};

/// What the operands of a verb are.
enum Grammar {
    /// `TYPE[,TYPE] [NAME…]` or `TYPE/NAME…`
    Objects,
    /// The same, then `KEY=VALUE…` and `KEY-…`
    ObjectsAndPairs,
    /// The same, then one more word
    ObjectsAndWord,
    /// `NAME`, or `TYPE/NAME`, of this resource when no type is given; then this many plain words
    Of(&'static str, usize),
    /// `NAME…` of this resource, and no other
    Names(&'static str),
    /// `NAME…` of this resource, or `TYPE/NAME…`
    Several(&'static str),
    /// `NAME` of an object that is made, then plain words
    New(&'static str),
    /// Anything, as it stands
    Words,
}

fn grammar(verb: &[&str]) -> Grammar {
    match verb {
        [
            "get" | "describe" | "delete" | "wait" | "scale" | "patch" | "edit" | "expose"
            | "autoscale",
        ]
        | ["rollout", _]
        | ["set", "resources" | "subject"]
        | ["apply", "view-last-applied" | "edit-last-applied"] => Grammar::Objects,
        ["label" | "annotate" | "taint"] | ["set", "image" | "env"] => Grammar::ObjectsAndPairs,
        ["set", "selector" | "serviceaccount"] => Grammar::ObjectsAndWord,
        ["logs"] => Grammar::Of("pods", 1),
        ["exec" | "attach" | "debug"] => Grammar::Of("pods", 0),
        ["port-forward"] => Grammar::Of("pods", usize::MAX),
        ["top", "pod"] => Grammar::Names("pods"),
        ["top", "node"] => Grammar::Names("nodes"),
        ["cordon" | "uncordon" | "drain"] => Grammar::Several("nodes"),
        ["certificate", _] => Grammar::Several("certificatesigningrequests.certificates.k8s.io"),
        ["run"] => Grammar::New("pods"),
        ["create", "token"] => Grammar::Names("serviceaccounts"),
        ["create", kind, ..] => created(kind).map_or(Grammar::Words, Grammar::New),
        _ => Grammar::Words,
    }
}

/// What `create KIND` makes.
fn created(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "clusterrole" => "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebinding" => "clusterrolebindings.rbac.authorization.k8s.io",
        "configmap" => "configmaps",
        "cronjob" => "cronjobs.batch",
        "deployment" => "deployments.apps",
        "ingress" => "ingresses.networking.k8s.io",
        "job" => "jobs.batch",
        "namespace" => "namespaces",
        "poddisruptionbudget" => "poddisruptionbudgets.policy",
        "priorityclass" => "priorityclasses.scheduling.k8s.io",
        "quota" => "resourcequotas",
        "role" => "roles.rbac.authorization.k8s.io",
        "rolebinding" => "rolebindings.rbac.authorization.k8s.io",
        "secret" => "secrets",
        "service" => "services",
        "serviceaccount" => "serviceaccounts",
        _ => return None,
    })
}

/// Last path segments of the API that are no objects.
const SUBRESOURCES: [&str; 10] = [
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "status",
    "token",
];

impl Operands<'_> {
    pub(super) fn kubectl(
        &self,
        verb: &[&str],
        operands: &mut [String],
    ) -> Result<Named, CommandError> {
        let mut named = Named::default();
        match grammar(verb) {
            Grammar::Words => named = plain(operands),
            Grammar::Objects => self.objects(operands, &mut named)?,
            Grammar::ObjectsAndPairs => {
                // Where kubectl sees the first pair (pkg/cmd/util/helpers.go, GetResourcesAndPairs;
                // pkg/cmd/taint).
                let pair = |word: &String| {
                    word.contains('=')
                        || word.ends_with('-')
                        || verb == ["taint"] && word.contains(':')
                };
                let at = operands.iter().position(pair).unwrap_or(operands.len());
                let (objects, pairs) = operands.split_at_mut(at);
                let starts = |word: &String| {
                    word.starts_with(|first: char| {
                        first.is_ascii_alphanumeric() || first == '_' || first == '*'
                    })
                };
                if let Some(word) = pairs.iter().find(|word| !pair(word) || !starts(word)) {
                    return Err(self.refused(
                        word,
                        "behind the types and names stand changes: KEY=VALUE or KEY-",
                    ));
                }
                self.objects(objects, &mut named)?;
            }
            Grammar::ObjectsAndWord => {
                if let Some((_, objects)) = operands.split_last_mut() {
                    self.objects(objects, &mut named)?;
                }
            }
            Grammar::Of(resource, words) => {
                if let Some((target, rest)) = operands.split_first_mut() {
                    self.of(resource, target, &mut named)?;
                    if let Some(word) = rest.get(words..).and_then(<[String]>::first) {
                        return Err(self.refused(word, "this verb takes one object; what runs in a container stands behind `--`"));
                    }
                    rest.iter().try_for_each(|word| self.name(word).map(drop))?;
                }
            }
            Grammar::Names(resource) => {
                named.resources.push(resource.to_owned());
                named.names = operands
                    .iter()
                    .map(|word| self.name(word))
                    .collect::<Result<_, _>>()?;
            }
            Grammar::Several(resource) => {
                named.resources.push(resource.to_owned());
                for word in operands {
                    self.of(resource, word, &mut named)?;
                }
            }
            Grammar::New(resource) => {
                named.resources.push(resource.to_owned());
                if let Some(name) = operands.first() {
                    named.names.push(self.name(name)?);
                }
            }
        }
        self.flags_that_name(verb, &mut named)?;
        if named
            .resources
            .iter()
            .any(|resource| resource == "namespaces")
        {
            // A namespace is an object outside of every namespace; rules about namespaces mean it
            // too.
            named.namespaces.extend(named.names.iter().cloned());
        }
        named.resources.sort();
        named.resources.dedup();
        Ok(named)
    }

    /// Objects and namespaces that stand in flags.
    fn flags_that_name(&self, verb: &[&str], named: &mut Named) -> Result<(), CommandError> {
        let values = |name: &str| self.flags.get(name).map(Vec::as_slice).unwrap_or_default();
        match verb {
            ["expose" | "autoscale"] => named.names.extend(values("name").iter().cloned()),
            ["debug"] => named.names.extend(values("copy-to").iter().cloned()),
            ["cluster-info", "dump"] => {
                named
                    .namespaces
                    .extend(values("namespaces").iter().cloned());
                // The default, beside the context's own.
                named.namespaces.push("kube-system".into());
            }
            ["create", "job"] | ["set", "env"] => {
                for from in values("from") {
                    let mut from = from.clone();
                    if !from.contains('/') {
                        return Err(self.refused(&from, "write TYPE/NAME"));
                    }
                    self.of("", &mut from, named)?;
                }
            }
            _ => {}
        }
        let service_accounts = values("serviceaccount")
            .iter()
            .filter_map(|account| account.split_once(':'));
        named
            .namespaces
            .extend(service_accounts.map(|(namespace, _)| namespace.to_owned()));
        Ok(())
    }

    /// `TYPE/NAME`, or a name of `resource`.
    fn of(&self, resource: &str, word: &mut String, named: &mut Named) -> Result<(), CommandError> {
        let Some((token, object)) = word.split_once('/') else {
            named.names.push(self.name(word)?);
            named.resources.push(resource.to_owned());
            return Ok(());
        };
        named.names.push(self.name(object)?);
        let (canonical, qualified) = named_resource(token)?;
        *word = format!("{qualified}/{object}");
        named.resources.push(canonical);
        Ok(())
    }

    fn objects(&self, operands: &mut [String], named: &mut Named) -> Result<(), CommandError> {
        if let Some(word) = operands.iter().find(|word| word.contains('/')) {
            if operands.first().is_some_and(|first| !first.contains('/')) {
                return Err(self.refused(word, "a name has no `/`: write TYPE NAME… or TYPE/NAME…"));
            }
            for word in operands {
                let Some((_, object)) = word.split_once('/') else {
                    return Err(
                        self.refused(word, "the arguments before it are TYPE/NAME and it is not")
                    );
                };
                if SUBRESOURCES.contains(&object) {
                    return Err(self.refused(word, "it reads like a sub-resource; write TYPE NAME if an object is really called that"));
                }
                self.of("", word, named)?;
            }
            return Ok(());
        }
        let Some((types, names)) = operands.split_first_mut() else {
            return Ok(());
        };
        let of_types: Vec<(String, String)> = types
            .split(',')
            .map(named_resource)
            .collect::<Result<_, _>>()?;
        *types = of_types
            .iter()
            .map(|(_, qualified)| qualified.as_str())
            .collect::<Vec<_>>()
            .join(",");
        named.resources = of_types
            .into_iter()
            .map(|(canonical, _)| canonical)
            .collect();
        for word in &*names {
            if matches!(word.as_str(), "true" | "false") {
                return Err(self.refused(
                    word,
                    "a flag without a value takes none behind a blank; write --flag=true",
                ));
            }
            named.names.push(self.name(word)?);
        }
        // `expose --selector` is what the new service selects.
        let is_expose = self
            .path
            .words()
            .first()
            .is_some_and(|word| word == "expose");
        let selects = !is_expose
            && ["selector", "field-selector", "all-namespaces"]
                .iter()
                .any(|flag| self.flags.contains_key(*flag));
        match names.first() {
            Some(word) if selects => Err(self.refused(
                word,
                "a name and a selector or --all-namespaces exclude each other",
            )),
            _ => Ok(()),
        }
    }
}

/// The canonical and the qualified name of a token: the table's, or a custom resource that is named
/// with its version and group.
fn named_resource(token: &str) -> Result<(String, String), CommandError> {
    if let Some(named) = resource::named(token) {
        return Ok(named);
    }
    let mut parts = token.splitn(3, '.');
    if let (Some(plural), Some(version), Some(group)) = (parts.next(), parts.next(), parts.next())
        && is_dns_label(plural)
        && resource::is_version(version)
        && group.contains('.')
        && group.split('.').all(is_dns_label)
        // kubectl would take short and singular names of known kinds, which policies know by one
        // name.
        && !resource::has_group(group)
    {
        return Ok((format!("{plural}.{group}"), token.to_owned()));
    }
    let lower = token.to_ascii_lowercase();
    let names: Vec<String> = resource::all().collect();
    // `gateways` alone could be Istio's or the Gateway API's: say both.
    let same: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.split('.').next() == Some(lower.as_str()))
        .collect();
    let nearest = if same.is_empty() {
        nearest(&lower, names.iter().map(String::as_str)).map(str::to_owned)
    } else {
        Some(same.join("` or `"))
    };
    Err(CommandError::UnknownResource {
        token: Excerpt::new(token),
        nearest,
    })
}
