//! kubectl's operands: resource tokens and names, typed per verb.
//!
//! Resources leave with version and group, which the API server cannot reinterpret; policies see the
//! canonical names.

use super::{error::CommandError, parse::is_dns_label};
use crate::{
    catalogue::{CommandPath, Tool, resource},
    excerpt::Excerpt,
};

/// What the operands of a kubectl verb are.
enum Operands {
    /// `TYPE[,TYPE] [NAME…]` or `TYPE/NAME…`
    Resources,
    /// `NAME [CONTAINER]` or `TYPE/NAME [CONTAINER]`, where a bare name is a pod's
    Pod,
    /// `NAME`
    Names,
    /// Anything, as it stands
    Words,
}

fn operands_of(path: &CommandPath) -> Operands {
    let words: Vec<&str> = path.words().iter().map(String::as_str).collect();
    match words.as_slice() {
        ["get" | "describe" | "delete" | "wait" | "label" | "annotate" | "scale" | "patch" | "edit" | "expose" | "autoscale"]
        | ["rollout", _] => Operands::Resources,
        ["logs" | "exec" | "attach" | "debug" | "port-forward"] => Operands::Pod,
        ["top", "pod" | "node"] => Operands::Names,
        _ => Operands::Words,
    }
}

/// Last path segments of the API that are no objects.
const SUBRESOURCES: [&str; 10] =
    ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "status", "token"];

/// Rewrites resource tokens to their qualified names, which the API server cannot reinterpret, and
/// returns the canonical ones, which policies use.
///
/// `selects` says that a selector or `--all-namespaces` is given, which excludes names.
pub(super) fn kubectl_operands(path: &CommandPath, operands: &mut [String], selects: bool) -> Result<Vec<String>, CommandError> {
    let refused = |word: &str, why| CommandError::Operand { tool: Tool::Kubectl, path: path.clone(), word: Excerpt::new(word), why };
    let name = |word: &str| if is_object_name(word) { Ok(()) } else { Err(refused(word, "it is not the name of an object")) };
    let mut resources = Vec::new();
    match operands_of(path) {
        Operands::Words => {}
        Operands::Names => operands.iter().try_for_each(|word| name(word))?,
        Operands::Pod => {
            if let Some(target) = operands.first_mut() {
                if let Some((token, object)) = target.split_once('/') {
                    name(object)?;
                    let (resource, qualified) = named_resource(token)?;
                    *target = format!("{qualified}/{object}");
                    resources.push(resource);
                } else {
                    name(target)?;
                    resources.push("pods".into());
                }
            }
        }
        Operands::Resources if operands.iter().any(|word| word.contains('/')) => {
            for word in operands.iter_mut() {
                let Some((token, object)) = word.split_once('/') else {
                    return Err(refused(word, "some arguments are TYPE/NAME and this one is not"));
                };
                name(object)?;
                if SUBRESOURCES.contains(&object) {
                    return Err(refused(word, "it reads like a sub-resource; write TYPE NAME if an object is really called that"));
                }
                let (resource, qualified) = named_resource(token)?;
                *word = format!("{qualified}/{object}");
                resources.push(resource);
            }
        }
        Operands::Resources => {
            if let Some((types, names)) = operands.split_first_mut() {
                let named: Vec<(String, String)> = types.split(',').map(named_resource).collect::<Result<_, _>>()?;
                *types = named.iter().map(|(_, qualified)| qualified.as_str()).collect::<Vec<_>>().join(",");
                resources = named.into_iter().map(|(canonical, _)| canonical).collect();
                names.iter().try_for_each(|word| name(word))?;
                if let Some(word) = names.iter().find(|word| matches!(word.as_str(), "true" | "false")) {
                    return Err(refused(word, "a flag without a value takes none behind a blank; write --flag=true"));
                }
                if let (true, Some(word)) = (selects, names.first()) {
                    return Err(refused(word, "a name and a selector or --all-namespaces exclude each other"));
                }
            }
        }
    }
    resources.sort();
    resources.dedup();
    Ok(resources)
}

/// The canonical and the qualified name of a token: the table's, or a custom resource that is named
/// with its version and group.
fn named_resource(token: &str) -> Result<(String, String), CommandError> {
    if let Some(canonical) = resource::canonical(token) {
        let qualified = resource::qualified(&canonical).unwrap_or_else(|| canonical.clone());
        return Ok((canonical, qualified));
    }
    let mut parts = token.splitn(3, '.');
    if let (Some(plural), Some(version), Some(group)) = (parts.next(), parts.next(), parts.next())
        && is_dns_label(plural)
        && resource::is_version(version)
        && group.contains('.')
        && group.split('.').all(is_dns_label)
        && resource::canonical(&format!("{plural}.{group}")).is_none()
    {
        return Ok((format!("{plural}.{group}"), token.to_owned()));
    }
    let lower = token.to_ascii_lowercase();
    let names: Vec<String> = resource::all().collect();
    // `gateways` alone could be Istio's or the Gateway API's: say both.
    let same: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.split('.').next() == Some(lower.as_str())).collect();
    let nearest =
        if same.is_empty() { nearest(&lower, names.iter().map(String::as_str)).map(str::to_owned) } else { Some(same.join("` or `")) };
    Err(CommandError::UnknownResource { token: Excerpt::new(token), nearest })
}

/// Names of objects: path segments of the API, so no `/`, `%`, `.` or `..`; RBAC has colons.
fn is_object_name(word: &str) -> bool {
    (1..=253).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte))
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// The known name that is nearest to `word`, when it is near enough to be meant.
pub(super) fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
