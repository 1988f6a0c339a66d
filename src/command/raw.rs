//! A command that carries a request of the Kubernetes API (`get --raw PATH`) -> the request, or the
//! command that makes it.
//!
//! The path is read by the reader that judges every request ([`ApiRequest::read`]). One of a resource
//! is the command that people write for it, with its resource, namespace, name and selectors, so that
//! a policy judges it by no rule of its own and no spelling leads around one. What is left is health,
//! version, discovery and schemas, and the numbers of a kubelet: the tool gets that path written
//! anew, and a rule lists it.

use std::mem;

use super::{
    adjustment::Adjustment,
    error::CommandError,
    invocation::{Invocation, Never},
};
use crate::{
    api_request::{ApiPath, ApiRequest, ApiVerb, ResourcePath},
    catalogue::resource,
    excerpt::Excerpt,
    tool::RawRequest,
};

/// What a command with a request in it is.
pub(super) enum MaybeRaw {
    /// The command with the path that the tool gets.
    Path(Invocation),
    /// The words of the command that makes the request, and how it differs.
    Command(Equivalent),
    /// The command has no request in it.
    Nothing(Invocation),
}

/// The command that makes the same request.
pub(super) struct Equivalent {
    /// Its words, without the tool's name.
    pub(super) words: Vec<String>,
    /// How it differs.
    note: Adjustment,
    /// The flag that had the request, and the request as it was written.
    flag: &'static str,
    written: String,
    /// The resource of the path, as policies name it.
    resource: String,
}

/// The flags that change nothing about the request.
const BESIDE: [&str; 2] = ["namespace", "request-timeout"];

/// Reads what a command carries.
///
/// # Errors
/// [`CommandError::Raw`] for what is no request, or none that can be written as a command.
pub(super) fn carried(mut read: Invocation) -> Result<MaybeRaw, CommandError> {
    let verb = read.path().to_string();
    let mut rows = read.tool().spec().raw.iter();
    let Some(row) = rows.find(|row| row.verb == verb && !read.is_help()) else {
        return Ok(MaybeRaw::Nothing(read));
    };
    let Some(written) = read.flag(row.flag).map(str::to_owned) else {
        return Ok(MaybeRaw::Nothing(read));
    };
    let wrong = |why: &str, help| CommandError::Raw {
        flag: row.flag,
        path: Excerpt::new(&written),
        why: why.to_owned(),
        help,
    };
    let request = ApiRequest::read(row.method, &written).map_err(|odd| {
        wrong(
            &odd.to_string(),
            "write the path as the API has it, like /readyz or /apis",
        )
    })?;
    let is_else = |flag: &String| flag != row.flag && !BESIDE.contains(&flag.as_str());
    if !read.operands().is_empty() || read.flags().keys().any(is_else) {
        return Err(wrong(
            "it stands alone",
            "leave the other words out, or write the command without it",
        ));
    }
    match &request.path {
        ApiPath::Kubelet(_) | ApiPath::Other(_) => {
            read.flags.remove("namespace");
            read.flags
                .insert(row.flag.to_owned(), vec![request.target()]);
            Ok(MaybeRaw::Path(read))
        }
        ApiPath::Resource(path) => {
            let mut words = command(row, &request, path).map_err(|why| {
                wrong(
                    why,
                    "write the command itself: `get`, `logs` and `delete` ask for it",
                )
            })?;
            let used = format!("{} {}", read.tool(), words.join(" "));
            if let Some(timeout) = read.flag("request-timeout") {
                words.push(format!("--request-timeout={timeout}"));
            }
            let note = Adjustment::Replaced {
                word: format!("--{}={written}", row.flag),
                used,
                why: "the same request, which the policy judges by its resource",
            };
            Ok(MaybeRaw::Command(Equivalent {
                words,
                note,
                flag: row.flag,
                resource: path.qualified(),
                written,
            }))
        }
    }
}

/// Returns the command that was made of a request, with what differs.
///
/// # Errors
/// [`CommandError::Raw`] where its words are read as something else than the path has: people may
/// write `po` and `all`, a path may not.
pub(super) fn with(
    mut command: Invocation,
    equivalent: Equivalent,
) -> Result<Invocation, CommandError> {
    // What only the cluster can tell is compared when it has told it.
    let is_told = command.assumed_resources().is_empty();
    if is_told && command.resources() != [equivalent.resource] {
        return Err(CommandError::Raw {
            flag: equivalent.flag,
            path: Excerpt::new(&equivalent.written),
            why: "the API has no such resource there".to_owned(),
            help: "`api-resources` lists what the cluster has",
        });
    }
    // Whoever writes a path wants the bytes; `get secret` shows which there are.
    if command.resources().iter().any(|name| name == "secrets") {
        command.never = Some(Box::new(Never {
            what: "the path of a Secret".into(),
            why: "Secrets are read by their names alone, where a policy allows that".into(),
            help: "`get secrets` lists them, where the policy allows it",
        }));
    }
    let rest = mem::take(&mut command.changes);
    command.changes = [equivalent.note].into_iter().chain(rest).collect();
    Ok(command)
}

/// The words that ask for the same, without the tool's name; else why there are none.
fn command(
    row: &RawRequest,
    request: &ApiRequest,
    path: &ResourcePath,
) -> Result<Vec<String>, &'static str> {
    match (request.verb, path.subresource.as_deref()) {
        (ApiVerb::Get | ApiVerb::List | ApiVerb::Delete, None)
        | (ApiVerb::Get, Some("scale" | "status")) => {}
        (ApiVerb::DeleteCollection, _) => return Err("a collection is deleted by no path"),
        (ApiVerb::Watch, _) => return Err("a watch does not end by itself"),
        _ => return Err("this subresource is no object"),
    }
    if path.name.as_ref().is_some_and(|name| name.starts_with('-')) {
        return Err("no object has this name");
    }
    let qualified = path.qualified();
    let token = match path.group.as_str() {
        "" => path.resource.clone(),
        group => format!("{}.{}.{group}", path.resource, path.version),
    };
    let mut words = vec![row.verb.to_owned(), token];
    words.extend(path.name.clone());
    match (&path.namespace, &path.name) {
        _ if path.resource == "namespaces" || resource::is_cluster_scoped(&qualified) => {
            if path.namespace.is_some() && path.resource != "namespaces" {
                return Err("what it names is in no namespace");
            }
        }
        (Some(namespace), _) => words.push(format!("--namespace={namespace}")),
        (None, None) => words.push("--all-namespaces".to_owned()),
        (None, Some(_)) if resource::is_namespaced(&qualified) => {
            return Err("what it names is in a namespace");
        }
        // A custom resource: the tool asks the cluster whether it has a namespace.
        (None, Some(_)) => {}
    }
    if let Some(subresource) = &path.subresource {
        words.push(format!("--subresource={subresource}"));
    }
    words.push(match request.verb {
        // A request does not wait until the object is gone.
        ApiVerb::Delete => "--wait=false".to_owned(),
        _ => "--output=json".to_owned(),
    });
    for (key, value) in request.query.iter() {
        words.push(match key {
            "fieldSelector" => format!("--field-selector={value}"),
            "labelSelector" => format!("--selector={value}"),
            _ => return Err("of a resource's query only the selectors can be asked for"),
        });
    }
    Ok(words)
}

#[cfg(test)]
mod tests;
