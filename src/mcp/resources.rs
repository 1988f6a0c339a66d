//! What a client reads by a URI: what the server says of itself, and outputs that are kept.
//!
//! Comes in: who asks, and a URI. Goes out: text, or that there is no such resource: what a caller may
//! not see does not exist for it. What a tool printed stands in a fence here too.
//!
//! Held by `tests/service/resources.rs`.

use rmcp::{
    ErrorData,
    model::{CacheScope, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;
use url::form_urlencoded;

use super::{about, answer::worded};
use crate::{
    excerpt::Excerpt,
    gate::{Gate, PartRequest},
    identity::Caller,
    refusal::Code,
};

/// The template of outputs that are kept.
pub(super) const OUTPUT: &str = "output://{call}{?lines,grep}";
/// The template of verbs, whose words may stand behind slashes.
pub(super) const CATALOGUE: &str = "airlock://catalogue/{tool}/{verb}";

/// How long what the server says of itself may be kept by a client.
const FRESH_MS: u64 = 60_000;

/// Returns the resources that every caller may read.
pub(super) fn listed() -> Vec<Resource> {
    [
        ("policy", "text/plain", "What you may do here, by tool"),
        (
            "clusters",
            "application/json",
            "The clusters that you may name in `cluster`",
        ),
        (
            "status",
            "text/plain",
            "Which tools are here, and what confines them",
        ),
    ]
    .into_iter()
    .map(|(name, kind, description)| {
        Resource::new(format!("airlock://{name}"), name)
            .with_mime_type(kind)
            .with_description(description)
    })
    .collect()
}

/// Returns the templates of the others.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    [
        (
            OUTPUT,
            "output",
            "Lines of an output that an answer had a part of: lines=FROM-TO, grep=TEXT",
        ),
        (
            CATALOGUE,
            "verb",
            "What a verb of a tool does, whether you may use it, and its flags",
        ),
    ]
    .into_iter()
    .map(|(template, name, description)| {
        ResourceTemplate::new(template, name)
            .with_mime_type("text/plain")
            .with_description(description)
    })
    .collect()
}

/// Reads a resource.
///
/// # Errors
/// When there is none of that URI for this caller, or its query is none.
pub(super) async fn read(
    gate: &Gate,
    caller: &Caller,
    client: Option<&Excerpt>,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    if let Some(rest) = uri.strip_prefix("output://") {
        return output(gate, caller, client, uri, rest).await;
    }
    let text = match uri {
        "airlock://policy" => Some(about::policy(gate, caller)),
        "airlock://clusters" => Some(json!({ "clusters": gate.clusters(caller) }).to_string()),
        "airlock://status" => Some(about::status(gate)),
        _ => verb_of(uri).and_then(|(tool, verb)| about::verb(gate, caller, &tool, &verb)),
    };
    let text = text.ok_or_else(|| not_found(uri))?;
    let kind = listed().into_iter().find(|listed| listed.uri == uri);
    let kind = kind.and_then(|listed| listed.mime_type);
    let mut content = ResourceContents::text(text, uri);
    if let Some(kind) = kind {
        content = content.with_mime_type(kind);
    }
    let result = ReadResourceResult::new(vec![content]);
    Ok(result
        .with_ttl_ms(FRESH_MS)
        .with_cache_scope(CacheScope::Private))
}

async fn output(
    gate: &Gate,
    caller: &Caller,
    client: Option<&Excerpt>,
    uri: &str,
    rest: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let (id, query) = match rest.split_once('?') {
        Some((id, query)) => (id, Some(query)),
        None => (rest, None),
    };
    let asked = PartRequest::of_query(id, query);
    let outcome = gate.part(caller, asked, client).await;
    let worded = worded(&outcome);
    match &outcome.refusal {
        None => {}
        Some(refusal) if refusal.code() == Code::NotFound => return Err(not_found(uri)),
        Some(_) => return Err(ErrorData::invalid_params(worded.text, None)),
    }
    let content = ResourceContents::text(worded.text, uri).with_meta(worded.meta);
    // What was kept may be forgotten before it is read again.
    let result = ReadResourceResult::new(vec![content]);
    Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

/// The tool and the verb of a URI of the catalogue.
fn verb_of(uri: &str) -> Option<(String, Vec<String>)> {
    let (tool, verb) = uri.strip_prefix("airlock://catalogue/")?.split_once('/')?;
    let words = verb.split('/').flat_map(|words| {
        let words = form_urlencoded::parse(words.as_bytes()).map(|(words, _)| words.into_owned());
        words.collect::<Vec<_>>()
    });
    let words = words.flat_map(|words| words.split(' ').map(str::to_owned).collect::<Vec<_>>());
    Some((
        tool.to_owned(),
        words.filter(|word| !word.is_empty()).collect(),
    ))
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_named_by_blanks_or_slashes() {
        for uri in [
            "airlock://catalogue/kubectl/rollout%20status",
            "airlock://catalogue/kubectl/rollout+status",
            "airlock://catalogue/kubectl/rollout/status",
            "airlock://catalogue/kubectl/rollout status/",
        ] {
            let (tool, verb) = verb_of(uri).unwrap();
            assert_eq!(
                (tool.as_str(), verb),
                ("kubectl", vec!["rollout".into(), "status".into()])
            );
        }
        assert_eq!(verb_of("airlock://catalogue/kubectl"), None);
        assert_eq!(verb_of("airlock://policy"), None);
    }
}
