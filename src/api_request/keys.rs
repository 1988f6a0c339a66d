//! Which keys a request of its kind has, and which values: [`read`].
//!
//! Source: the options of `k8s.io/apimachinery` v0.37.2 `pkg/apis/meta/v1/types.go` and of
//! `k8s.io/api` v0.37.2 `core/v1/types.go`. Keys have one spelling (the server takes `DryRun` for
//! nothing and writes), and so have values: it takes `watch=yes` and `watch=` for a watch.

use super::{
    odd::Odd,
    path::{ApiPath, ResourcePath},
    query::Query,
    verb::ApiVerb,
};
use crate::unit::go_duration;

/// Reads the values of a query by the keys that such a request has.
///
/// # Errors
/// [`Odd::Query`].
pub(super) fn read(verb: ApiVerb, path: &ApiPath, query: &Query) -> Result<(), Odd> {
    let keys = keys(verb, path);
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in query.iter() {
        if !keys.iter().any(|keys| keys.contains(&key)) {
            return Err(Odd::Query("a key that no such request has"));
        }
        // Words of a command and ports come one by one; of everything else the server takes one.
        if seen.contains(&key) && !matches!(key, "command" | "ports") {
            return Err(Odd::Query("a key twice"));
        }
        seen.push(key);
        if !is_value(key, value) {
            return Err(Odd::Query("a value that its key does not have"));
        }
    }
    // A selector of labels that the server cannot read makes it forget the name.
    if seen.contains(&"labelSelector") && name(query).is_some() {
        return Err(Odd::Query("a selector of labels beside a name"));
    }
    Ok(())
}

/// The name that a selector of fields asks for, as a list or a watch of one object does.
pub(super) fn name(query: &Query) -> Option<&str> {
    let terms = query.get("fieldSelector")?.split(',');
    let mut names = terms.filter_map(|term| match term_of(term)? {
        ("metadata.name", "=" | "==", name) => Some(name),
        _ => None,
    });
    names.next().filter(|name| !name.is_empty())
}

const EVERY: &[&str] = &["pretty", "timeout"];
const GET: &[&str] = &["includeObject", "resourceVersion"];
const SELECT: &[&str] = &[
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
];
const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "includeObject",
    "sendInitialEvents",
    "watch",
];
const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH: &[&str] = &["force"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "propagationPolicy"];
const ATTACH: &[&str] = &["container", "stderr", "stdin", "stdout", "tty"];
const EXEC: &[&str] = &["command"];
const FORWARD: &[&str] = &["ports"];
const LOG: &[&str] = &[
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "stream",
    "tailLines",
    "timestamps",
];
const HEALTH: &[&str] = &["exclude", "timeout", "verbose"];
const SCHEMA: &[&str] = &["hash", "timeout"];
const TIMEOUT: &[&str] = &["timeout"];

fn keys(verb: ApiVerb, path: &ApiPath) -> Vec<&'static [&'static str]> {
    let resource = match path {
        ApiPath::Kubelet(_) => return Vec::new(),
        ApiPath::Other(path) => return vec![keys_of_other(path)],
        ApiPath::Resource(resource) => resource,
    };
    match stream(resource) {
        Some("attach") => return vec![EVERY, ATTACH],
        Some("exec") => return vec![EVERY, ATTACH, EXEC],
        Some("log") => return vec![EVERY, LOG],
        Some("portforward") => return vec![EVERY, FORWARD],
        _ => {}
    }
    match verb {
        ApiVerb::Get => vec![EVERY, GET],
        ApiVerb::List | ApiVerb::Watch => vec![EVERY, SELECT, LIST],
        ApiVerb::Create | ApiVerb::Update => vec![EVERY, WRITE],
        ApiVerb::Patch => vec![EVERY, WRITE, PATCH],
        ApiVerb::Delete => vec![EVERY, DELETE],
        ApiVerb::DeleteCollection => vec![EVERY, DELETE, SELECT],
    }
}

/// The subresource of a pod, whose options are its own.
fn stream(resource: &ResourcePath) -> Option<&str> {
    let is_pod = resource.group.is_empty() && resource.resource == "pods";
    resource.subresource.as_deref().filter(|_| is_pod)
}

fn keys_of_other(path: &str) -> &'static [&'static str] {
    let first = path.split('/').nth(1).unwrap_or_default();
    match first {
        "healthz" | "livez" | "readyz" => HEALTH,
        "openapi" => SCHEMA,
        _ => TIMEOUT,
    }
}

/// Whether a value is one that the API has, and reads in one way.
fn is_value(key: &str, value: &str) -> bool {
    match key {
        // The words of a command are anything.
        "command" => !value.contains('\0'),
        // Whatever is none of these is true to the server, the empty text as well.
        "allowWatchBookmarks"
        | "follow"
        | "force"
        | "insecureSkipTLSVerifyBackend"
        | "pretty"
        | "previous"
        | "sendInitialEvents"
        | "stderr"
        | "stdin"
        | "stdout"
        | "timestamps"
        | "tty"
        | "watch" => matches!(value, "0" | "1" | "false" | "true"),
        "verbose" => matches!(value, "" | "1" | "true"),
        // A 64-bit number in its one spelling.
        "gracePeriodSeconds" | "limit" | "limitBytes" | "ports" | "sinceSeconds" | "tailLines"
        | "timeoutSeconds" => {
            let is_plain = value == "0" || !value.starts_with('0');
            is_plain
                && (1..=18).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_digit())
        }
        "dryRun" => value == "All",
        "fieldValidation" => matches!(value, "Ignore" | "Strict" | "Warn"),
        "includeObject" => matches!(value, "Metadata" | "None" | "Object"),
        "propagationPolicy" => matches!(value, "Background" | "Foreground" | "Orphan"),
        "resourceVersionMatch" => matches!(value, "Exact" | "NotOlderThan"),
        "stream" => matches!(value, "All" | "Stderr" | "Stdout"),
        "timeout" => go_duration(value).is_some(),
        "fieldSelector" => is_field_selector(value),
        _ => !value.chars().any(char::is_control),
    }
}

/// `k8s.io/apimachinery` v0.37.2 `pkg/fields/selector.go`, `ParseSelector`, without escapes and empty
/// terms; a name is asked for once, in the letters of a path.
fn is_field_selector(value: &str) -> bool {
    if value.is_empty() {
        return true;
    }
    let mut names = 0;
    value.split(',').all(|term| {
        let Some((field, operator, value)) = term_of(term) else {
            return false;
        };
        if field == "metadata.name" && operator != "!=" {
            names += 1;
            return names == 1 && is_name(value);
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '\\' | '=');
        !field.is_empty() && field.bytes().all(is_letter) && value.chars().all(is_plain)
    })
}

/// Cuts a term at the first operator: field, operator, value.
fn term_of(term: &str) -> Option<(&str, &str, &str)> {
    let at = term.find(['!', '='])?;
    let (field, rest) = term.split_at_checked(at)?;
    ["!=", "==", "="].into_iter().find_map(|operator| {
        let value = rest.strip_prefix(operator)?;
        Some((field, operator, value))
    })
}

/// What a path could hold as well.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(is_letter)
}
