//! The names in a kubeconfig: [`Outline`], for `kubectl config` and for what is said about an entry.
//!
//! Comes in: a file that was read, or whose reading failed. Goes out: names of contexts, clusters and
//! namespaces, and servers. May not hold anything of a user.

use super::{
    allowances::Allowances,
    document::document,
    error::KubeconfigError,
    schema::{Config, Context},
};
use crate::{
    excerpt::Excerpt,
    secret::SecretBytes,
    yaml::{Content, Node},
};

/// What a kubeconfig calls its contexts, its clusters and their namespaces. It has no credential,
/// no authority and no name of a user.
#[derive(Debug, Default)]
pub struct Outline {
    pub(super) clusters: Vec<(String, Option<String>)>,
    pub(super) contexts: Vec<OutlinedContext>,
    pub(super) current: Option<String>,
}

#[derive(Debug)]
pub(super) struct OutlinedContext {
    pub(super) name: String,
    pub(super) cluster: String,
    pub(super) namespace: Option<String>,
}

impl Outline {
    /// Reads a caller's kubeconfig; `context` is the request's, which is then the current one.
    ///
    /// # Errors
    /// A [`KubeconfigError`], as for a command that would use it; but for its credentials, which
    /// nobody needs here.
    pub fn parse(
        bytes: &SecretBytes,
        context: Option<&str>,
        allowances: &Allowances,
    ) -> Result<Self, KubeconfigError> {
        let config = Config::read(document(bytes)?, allowances, None)
            .map_err(|error| of_unused(error, bytes, context))?;
        let named = |(
            name,
            Context {
                cluster, namespace, ..
            },
        ): (String, Context)| OutlinedContext {
            name,
            cluster,
            namespace,
        };
        let contexts: Vec<OutlinedContext> = config.contexts.into_iter().map(named).collect();
        if let Some(name) = context
            && !contexts.iter().any(|known| known.name == name)
        {
            return Err(KubeconfigError::Dangling {
                list: "contexts",
                name: Excerpt::new(name),
                known: contexts
                    .iter()
                    .map(|known| Excerpt::new(&known.name))
                    .collect(),
            });
        }
        let clusters = config.clusters.into_iter();
        Ok(Self {
            clusters: clusters
                .map(|(name, cluster)| (name, Some(cluster.server)))
                .collect(),
            contexts,
            current: context.map(str::to_owned).or(config.current_context),
        })
    }

    /// The outline of a cluster that the operator named: its name, and the namespace where commands
    /// look.
    pub fn of_named_cluster(name: &str, namespace: &str) -> Self {
        Self {
            clusters: vec![(name.to_owned(), None)],
            contexts: vec![OutlinedContext {
                name: name.to_owned(),
                cluster: name.to_owned(),
                namespace: Some(namespace.to_owned()),
            }],
            current: Some(name.to_owned()),
        }
    }
}

/// Says of an error which entry it is in, where the chosen context does not use that entry: then
/// the file is not wrong for its reader, but merged.
pub(super) fn of_unused(
    error: KubeconfigError,
    bytes: &SecretBytes,
    context: Option<&str>,
) -> KubeconfigError {
    let unused = error
        .line()
        .and_then(|line| unused_entry_at(&document(bytes).ok()?, line, context));
    match unused {
        Some((what, name)) => KubeconfigError::Unused {
            what,
            name: Excerpt::new(&name),
            source: Box::new(error),
        },
        None => error,
    }
}

/// The cluster or user whose entry has this line, when the chosen context names another one.
fn unused_entry_at(
    root: &Node,
    line: usize,
    context: Option<&str>,
) -> Option<(&'static str, String)> {
    let contexts = items(root, "contexts");
    let chosen = context.or_else(|| text(root, "current-context"))?;
    let chosen = contexts
        .iter()
        .find(|entry| text(entry, "name") == Some(chosen))?;
    let chosen = value(chosen, "context")?;
    let entries = |list, what| items(root, list).iter().map(move |entry| (what, entry));
    let mut before: Vec<(&'static str, &Node)> = entries("clusters", "cluster")
        .chain(entries("users", "user"))
        .chain(entries("contexts", "context"))
        .filter(|(_, entry)| entry.line <= line)
        .collect();
    before.sort_by_key(|(_, entry)| entry.line);
    let (what, entry) = before.pop().filter(|(what, _)| *what != "context")?;
    let name = text(entry, "name")?;
    (text(chosen, what) != Some(name)).then(|| (what, name.to_owned()))
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Content::Mapping(entries) = &node.content else {
        return None;
    };
    entries
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, node)| node)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &value(node, key)?.content {
        Content::Scalar { text, .. } => Some(text.as_str()),
        Content::Sequence(_) | Content::Mapping(_) => None,
    }
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match value(node, key).map(|node| &node.content) {
        Some(Content::Sequence(items)) => items,
        _ => &[],
    }
}
