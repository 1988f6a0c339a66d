//! The keys of a query that change nothing about what is asked: pages, forms, time limits.
//!
//! Every other key has to be said by a sentence: selectors, `dryRun`, `force`, the words of `exec`.
//! Source: the options of `k8s.io/apimachinery/pkg/apis/meta/v1` and of `k8s.io/api/core/v1`.

use crate::api_request::{ApiVerb, ResourcePath};

/// Whether a request of this verb may have this key and value, whatever the sentence.
pub(super) fn are_plain(
    verb: ApiVerb,
    path: Option<&ResourcePath>,
    key: &str,
    value: &str,
) -> bool {
    // How long the server may take for it.
    if key == "timeout" {
        return true;
    }
    let Some(path) = path else {
        // OpenAPI documents are asked for by the hash that their list has.
        return matches!((verb, key), (ApiVerb::Get, "hash"));
    };
    if let Some(subresource) = &path.subresource
        && let Some(keys) = of_subresource(subresource)
    {
        return keys.contains(&key);
    }
    match verb {
        ApiVerb::Get => GET.contains(&key),
        ApiVerb::List => LIST.contains(&key),
        ApiVerb::Watch if key == "watch" => matches!(value, "true" | "1"),
        ApiVerb::Watch => LIST.contains(&key) || WATCH.contains(&key),
        ApiVerb::Create | ApiVerb::Update | ApiVerb::Patch => WRITE.contains(&key),
        // Options of a delete stand in its body.
        ApiVerb::Delete | ApiVerb::DeleteCollection => false,
    }
}

const GET: &[&str] = &["includeObject", "pretty", "resourceVersion"];
const LIST: &[&str] = &[
    "continue",
    "includeObject",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
];
const WATCH: &[&str] = &["allowWatchBookmarks", "sendInitialEvents"];
const WRITE: &[&str] = &["fieldManager", "fieldValidation", "pretty"];

/// The keys of subresources that have their own; the container is said by a sentence.
fn of_subresource(subresource: &str) -> Option<&'static [&'static str]> {
    Some(match subresource {
        "log" => &[
            "follow",
            "limitBytes",
            "previous",
            "sinceSeconds",
            "sinceTime",
            "stream",
            "tailLines",
            "timestamps",
        ],
        "exec" | "attach" => &["stdout", "stderr"],
        "portforward" | "proxy" => &[],
        _ => return None,
    })
}
