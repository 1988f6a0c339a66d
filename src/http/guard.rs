//! Which `Host` and `Origin` may call: a web page that a user visits must not reach this server,
//! neither across origins nor by rebinding its own name to this address.
//!
//! Probes send the address that they know the server by, and are answered whatever it is: what they
//! read is no secret and runs nothing. Held by
//! `a_scraper_reads_metrics_and_probes_by_the_address_of_the_pod` (`tests/operation/scrape.rs`).

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::{connections, reply, reply::refused};
use crate::{advice::Advice, gate::Headers, refusal::Refusal};

/// Names under which this server is called, without ports.
#[derive(Clone, Debug)]
pub struct Hosts(Arc<Vec<String>>);

impl Hosts {
    /// The loopback names, and the operator's own.
    pub fn new(own: impl IntoIterator<Item = String>) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self(Arc::new(
            loopback
                .into_iter()
                .chain(own.into_iter().map(|host| host.to_ascii_lowercase()))
                .collect(),
        ))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    fn knows(&self, authority: &str) -> bool {
        !authority.contains('@')
            && authority.parse::<Authority>().is_ok_and(|authority| {
                self.0
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(authority.host()))
            })
    }

    /// Returns why a request may not pass.
    fn refusal(
        &self,
        headers: &HeaderMap,
        target: Option<&str>,
        is_probe: bool,
    ) -> Option<Refusal> {
        let text = |name| {
            headers
                .get(name)
                .map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
        };
        let forbidden = |reason: &str, hint: &str| {
            Some(Refusal::ForbiddenHost(Advice {
                reason: reason.into(),
                hint: hint.into(),
            }))
        };
        if ONCE
            .iter()
            .any(|name| headers.get_all(name).iter().count() > 1)
        {
            return forbidden(
                "the request has a Host, Origin, Authorization or X-Kubeconfig header twice",
                "send each of them once",
            );
        }
        // HTTP/2 has the authority in the target instead of a header.
        let host = text(header::HOST).or(target);
        if !is_probe && !host.is_some_and(|host| self.knows(host)) {
            return forbidden(
                "this server is not called by that Host",
                "call it by its name; the operator adds names with `--allowed-host`",
            );
        }
        let origin = text(header::ORIGIN)?;
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if authority.is_some_and(|authority| self.knows(authority)) {
            return None;
        }
        forbidden(
            "web pages of that Origin may not call this server",
            "call it from a program; the operator adds names of pages with `--allowed-host`",
        )
    }
}

/// Headers of which a second one could mean another caller or another server.
const ONCE: [HeaderName; 4] = [
    header::HOST,
    header::ORIGIN,
    header::AUTHORIZATION,
    HeaderName::from_static("x-kubeconfig"),
];

/// Refuses other hosts and origins with 403.
pub async fn check(State(hosts): State<Hosts>, mut request: Request, next: Next) -> Response {
    // Whatever prints headers from here on does not print these.
    for name in Headers::SECRET {
        if let Some(credential) = request.headers_mut().get_mut(name) {
            credential.set_sensitive(true);
        }
    }
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let under_way = connections::begin(&request);
    let is_probe = connections::is_probe(&request);
    let reads_problems = reply::reads_problems(request.headers());
    let response = match hosts.refusal(request.headers(), target.as_deref(), is_probe) {
        Some(refusal) => refused(refusal),
        // Here and not in a layer of its own: each costs every request a copy of the router.
        None if connections::is_past_the_bound(&request) => {
            connections::answer(request, next).await
        }
        None => next.run(request).await,
    };
    let response = match reads_problems {
        true => reply::as_problem(response).await,
        false => response,
    };
    connections::until_sent(response, under_way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_hosts_and_origins_pass() {
        let hosts = Hosts::new(["Airlock.example".to_owned()]);
        let passes = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            hosts.refusal(&headers, None, false).is_none()
        };
        for (host, origin) in [
            ("127.0.0.1:9096", None),
            ("localhost", Some("http://localhost:3000")),
            ("[::1]:9096", None),
            ("airlock.example:443", Some("https://AIRLOCK.example")),
        ] {
            assert!(passes(host, origin), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("evil.example", None),
            ("127.0.0.1.evil.example", None),
            ("localhost", Some("http://evil.example")),
            ("localhost", Some("null")),
            ("", None),
        ] {
            assert!(!passes(host, origin), "{host} {origin:?}");
        }
    }
}
