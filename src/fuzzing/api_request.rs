//! A method and a request target -> at most one request, in one spelling.

use crate::api_request::{ApiPath, ApiRequest, ApiVerb};

/// What is accepted is written to a target that is read to the same request, in letters that no
/// server reads in two ways, and with one value for each key. The first word is the method, the rest
/// the target. Returns whether the line was accepted.
pub fn api_request(bytes: &[u8]) -> bool {
    let Some((method, target)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_once(' '))
    else {
        return false;
    };
    let Ok(request) = ApiRequest::read(method, target) else {
        return false;
    };
    let written = request.target();
    let again = ApiRequest::read(request.method.as_str(), &written);
    assert_eq!(again.as_ref(), Ok(&request), "{written}");

    // The path is the caller's own: nothing of it was decoded, folded or left out.
    let path = request.path.to_string();
    assert_eq!(target.split('?').next(), Some(path.as_str()));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:-".contains(&byte);
    assert!(
        path.starts_with('/') && path.bytes().all(is_plain),
        "{path}"
    );
    let mut segments = path.split('/').skip(1);
    let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
    assert!(path == "/" || !segments.any(is_odd), "{path}");
    let is_proxied = path.split('/').any(|segment| segment == "proxy");
    if is_proxied && path.starts_with("/api") {
        assert!(may_say_proxy(&request), "{path}");
    }

    for (key, _) in request.query.iter() {
        let is_list = matches!(key, "command" | "ports");
        assert!(is_list || request.query.all(key).count() == 1, "{key}");
        assert!(key.bytes().all(|byte| byte.is_ascii_alphabetic()), "{key}");
    }
    let watches = matches!(request.query.get("watch"), Some("1" | "true"));
    assert_eq!(watches, request.verb == ApiVerb::Watch);
    let dry = request.query.get("dryRun");
    assert!(dry.is_none_or(|dry| dry == "All"), "{dry:?}");
    true
}

/// A thing that is called so is none that forwards.
fn may_say_proxy(request: &ApiRequest) -> bool {
    match &request.path {
        ApiPath::Kubelet(_) => request.verb == ApiVerb::Get,
        ApiPath::Other(_) => true,
        ApiPath::Resource(resource) => resource.subresource.as_deref() != Some("proxy"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_text(text in "(GET|POST|DELETE|[A-Z]{1,5}) /\\PC{0,64}") {
            api_request(text.as_bytes());
        }

        #[test]
        fn it_holds_for_what_paths_and_queries_are_made_of(
            method in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]),
            words in prop::collection::vec(prop::sample::select(vec![
                "/api/v1", "/apis/apps/v1", "/namespaces", "/web", "/pods", "/nodes", "/n1", "/proxy", "/metrics",
                "/status", "/exec", "/log", "/watch", "/readyz", "?", "&", "watch=1", "watch=true", "verbose",
                "dryRun=All", "limit=5", "command=a", "command=%2B", "fieldSelector=metadata.name%3Dx",
                "labelSelector=a+b", "//", "/..", "%2f", ";", "#",
            ]), 1..12),
        ) {
            api_request(format!("{method} {}", words.concat()).as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(api_request(b"GET /api/v1/namespaces/web/pods?limit=500"));
        assert!(api_request(b"GET /api/v1/nodes/n1/proxy/stats/summary"));
        assert!(!api_request(b"GET /api/v1/namespaces/web%2fsecrets/db"));
    }
}
