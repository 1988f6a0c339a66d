//! Scheme, host and port of a remote server, parsed once and strictly.
//!
//! Comes in: the text of a kubeconfig's `server`. Goes out: an [`Endpoint`]. May not resolve names.
//! What a URL parser would repair (`127.1`, `0x7f.1`, userinfo, a missing scheme) is refused: two
//! parsers that repair differently are how a request reaches another host than the one checked.

#![forbid(unsafe_code)]

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::excerpt::Excerpt;

/// A server that a request may be pinned to: always `https`, always with an explicit port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: EndpointHost,
    port: u16,
    path: String,
}

/// A host as a kubeconfig may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointHost {
    /// A literal address.
    Address(IpAddr),
    /// An ASCII DNS name, lower case.
    Name(String),
}

/// Why a text is not an [`Endpoint`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an absolute URL at all.
    #[error("{0} is not an absolute URL")]
    NotUrl(Excerpt),
    /// Any scheme but `https`.
    #[error("the scheme of {0} is not https")]
    NotHttps(Excerpt),
    /// `user@host`: the real host stands behind the `@`.
    #[error("{0} carries a user name or password")]
    Userinfo(Excerpt),
    /// A query or fragment.
    #[error("{0} carries a query or a fragment")]
    QueryOrFragment(Excerpt),
    /// A host that a parser would rewrite, or that is neither a DNS name nor an address.
    #[error("the host of {0} is neither a plain DNS name nor a canonical IP address")]
    Host(Excerpt),
    /// A path with anything but plain segments.
    #[error("the path of {0} has characters or segments that an API server's path does not")]
    Path(Excerpt),
}

impl Endpoint {
    /// Parses the `server` of a kubeconfig: `https://HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// An [`EndpointError`] that names the part that was refused.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let shown = || Excerpt::new(text);
        let rest = match text.split_once("://") {
            Some(("https", rest)) => rest,
            Some(_) => return Err(EndpointError::NotHttps(shown())),
            None => return Err(EndpointError::NotUrl(shown())),
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EndpointError::Host(shown()));
        }
        let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(EndpointError::Userinfo(shown()));
        }
        if path.contains(['?', '#']) {
            return Err(EndpointError::QueryOrFragment(shown()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        let path = path.trim_end_matches('/');
        if !path.bytes().all(plain)
            || path
                .split('/')
                .any(|segment| segment == "." || segment == "..")
            || path.contains("//")
        {
            return Err(EndpointError::Path(shown()));
        }
        let url = Url::parse(text).map_err(|_| EndpointError::NotUrl(shown()))?;
        let host = match url.host() {
            Some(Host::Domain(name)) => EndpointHost::Name(name.to_owned()),
            Some(Host::Ipv4(address)) => EndpointHost::Address(address.into()),
            Some(Host::Ipv6(address)) => EndpointHost::Address(address.into()),
            None => return Err(EndpointError::Host(shown())),
        };
        let port = url
            .port_or_known_default()
            .ok_or_else(|| EndpointError::NotUrl(shown()))?;
        let endpoint = Self {
            host,
            port,
            path: path.to_owned(),
        };
        if !endpoint.is_written_as(authority) {
            return Err(EndpointError::Host(shown()));
        }
        Ok(endpoint)
    }

    /// The host, as given.
    pub fn host(&self) -> &EndpointHost {
        &self.host
    }

    /// The port, 443 when the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path before the API's own, without a trailing slash; empty for most servers.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same server without a path.
    #[must_use]
    pub fn without_path(&self) -> Self {
        Self {
            path: String::new(),
            ..self.clone()
        }
    }

    /// `host:port`, as a client asks a proxy for it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether Go's HTTP client dials it by itself although there is a proxy
    /// (golang.org/x/net/http/httpproxy: `localhost` and loopback addresses).
    pub fn bypasses_proxies(&self) -> bool {
        match &self.host {
            EndpointHost::Address(address) => address.to_canonical().is_loopback(),
            EndpointHost::Name(name) => name == "localhost",
        }
    }

    /// The same server with its host replaced by one of its addresses.
    pub fn url_at(&self, address: IpAddr) -> String {
        Self {
            host: EndpointHost::Address(address),
            ..self.clone()
        }
        .to_string()
    }

    /// Whether `authority` is how a person writes this endpoint: nothing was repaired on the way.
    fn is_written_as(&self, authority: &str) -> bool {
        let host = self.host.to_string();
        if let EndpointHost::Name(name) = &self.host
            && !is_dns_name(name)
        {
            return false;
        }
        let authority = authority.to_ascii_lowercase();
        authority == host || authority == format!("{host}:{}", self.port)
    }
}

/// Labels of letters, digits and inner hyphens; the last one is not a number, which is what tells
/// a name from `127.1`, `2130706433` and `0x7f.1`.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

impl fmt::Display for EndpointHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_servers_are_accepted_as_written() {
        for (text, shown) in [
            (
                "https://k8s.example.com:6443",
                "https://k8s.example.com:6443",
            ),
            ("https://K8S.example.com", "https://k8s.example.com:443"),
            ("https://10.0.0.1:6443/", "https://10.0.0.1:6443"),
            ("https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"),
            (
                "https://rancher.example.com/k8s/clusters/c-abc12",
                "https://rancher.example.com:443/k8s/clusters/c-abc12",
            ),
            ("https://127.0.0.1:443", "https://127.0.0.1:443"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_host_that_a_parser_would_repair_is_refused() {
        for text in [
            "https://127.1:6443",
            "https://2130706433",
            "https://0x7f.1",
            "https://0177.0.0.1",
            "https://exämple.com",
            "https://[::ffff:127.0.0.1%25eth0]",
            "https://a..b",
            "https://-a.example",
            "https://a_b.example",
            "https://",
            "https://example.com:",
            "https://example.com:0443",
            "https://ex%61mple.com",
            "https://[2001:DB8:0::1]",
        ] {
            assert!(
                matches!(
                    Endpoint::parse(text),
                    Err(EndpointError::Host(_) | EndpointError::NotUrl(_))
                ),
                "{text}: {:?}",
                Endpoint::parse(text)
            );
        }
    }

    #[test]
    fn what_is_not_a_plain_https_url_names_its_part() {
        use EndpointError as E;
        let of = |text: &str| Endpoint::parse(text).unwrap_err();
        assert!(matches!(of("http://a.example"), E::NotHttps(_)));
        assert!(matches!(of("unix:///run/x"), E::NotHttps(_)));
        assert!(matches!(of("a.example:6443"), E::NotUrl(_)));
        assert!(matches!(
            of("https://good.example@169.254.169.254/"),
            E::Userinfo(_)
        ));
        assert!(matches!(
            of("https://a.example/?x=1"),
            E::QueryOrFragment(_)
        ));
        assert!(matches!(of("https://a.example/../x"), E::Path(_)));
        assert!(matches!(of("https://a.example/a%2fb"), E::Path(_)));
        assert!(matches!(
            of("https://a.example\\@b.example/"),
            E::Userinfo(_) | E::Path(_)
        ));
        assert!(matches!(of("https://a.example/\r\nX: y"), E::Host(_)));
    }
}
