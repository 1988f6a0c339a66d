//! Names under which the server is called: [`host_name`].
//!
//! A name that no `Host` can equal would be without effect, and is a mistake that says what to do
//! instead.

use std::net::Ipv6Addr;

use toml::Spanned;

use crate::{excerpt::Excerpt, mistake::SettingError};

/// What every mistake says, so that nobody looks for a wildcard where none is needed.
const PROBES: &str =
    "probes and scrapers need no name: /metrics, /health and /ready answer whatever Host they send";

/// Reads the names of flags and of the file.
///
/// # Errors
/// The first that is none.
pub(super) fn host_names(
    flags: Vec<String>,
    file: Vec<Spanned<String>>,
) -> Result<Vec<String>, SettingError> {
    let of_flags = flags
        .iter()
        .map(|text| host_name(text).map_err(|wrong| wrong.at(None)));
    let of_file = file
        .iter()
        .map(|text| host_name(text.get_ref()).map_err(|wrong| wrong.at(Some(text.span()))));
    of_flags.chain(of_file).collect()
}

/// What is wrong with a name, and what to do.
struct WrongName {
    problem: String,
    help: String,
}

impl WrongName {
    fn at(self, span: Option<std::ops::Range<usize>>) -> SettingError {
        SettingError::new("allowed_hosts", span, self.problem).help(self.help)
    }
}

/// Reads one name: of DNS, an IPv4 address, or an IPv6 address, which gets its brackets.
fn host_name(text: &str) -> Result<String, WrongName> {
    let shown = Excerpt::new(text);
    let wrong = |problem: &str, help: String| {
        Err(WrongName {
            problem: format!("{shown} {problem}"),
            help,
        })
    };
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if bare.unwrap_or(text).parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{}]", bare.unwrap_or(text)));
    }
    if text.contains('*') {
        return wrong(
            "would let every name in, which is how a web page reaches a server by rebinding its own",
            format!("name each host that clients call this server by; {PROBES}"),
        );
    }
    if text.contains("://") {
        return wrong(
            "is a URL, and a Host is none",
            "give the name alone, without scheme, port and path".into(),
        );
    }
    if text.contains('/') {
        return wrong(
            "is a range of addresses, and no Host equals it",
            format!("name each host that clients call this server by; {PROBES}"),
        );
    }
    if text.contains(':') {
        return wrong(
            "has a port, and names are compared without it",
            "give the name alone".into(),
        );
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if text.len() > 253 || !text.split('.').all(is_label) {
        return wrong(
            "is no name of a host",
            "give a name like airlock.example, or an address".into(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_no_request_can_name_is_refused_with_what_to_do_instead() {
        for name in [
            "airlock.example",
            "10.0.0.5",
            "kube-airlock.kube-airlock.svc",
            "a_b",
        ] {
            assert_eq!(host_name(name).ok().as_deref(), Some(name));
        }
        for (given, name) in [
            ("::1", "[::1]"),
            ("[fd00::5]", "[fd00::5]"),
            ("A.Example", "a.example"),
        ] {
            assert_eq!(host_name(given).ok().as_deref(), Some(name));
        }
        for (given, said) in [
            ("*", "would let every name in"),
            ("*.example", "would let every name in"),
            ("10.0.0.0/8", "is a range of addresses"),
            ("fd00::/8", "is a range of addresses"),
            ("https://airlock.example", "is a URL"),
            ("airlock.example:443", "has a port"),
            ("[::1]:9096", "has a port"),
            ("", "is no name of a host"),
            ("a..b", "is no name of a host"),
            ("a b", "is no name of a host"),
        ] {
            let wrong = host_name(given).err().unwrap();
            assert!(wrong.problem.contains(said), "{given}: {}", wrong.problem);
        }
        assert!(host_name("*").err().unwrap().help.contains("/metrics"));
    }
}
