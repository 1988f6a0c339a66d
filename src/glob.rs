//! Globs: a text with any number of `*`, each standing for anything, nothing included.

#![forbid(unsafe_code)]

/// Whether `glob` covers all of `value`.
pub fn matches(glob: &str, value: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == value;
    };
    let Some(mut value) = value.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match value.find(part) {
            Some(at) => value = value.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    value.ends_with(tail)
}

/// Whether `glob` covers something that begins with `start`.
pub fn matches_extension(glob: &str, start: &str) -> bool {
    match glob.split_once('*') {
        None => glob.starts_with(start),
        Some((head, _)) => start.starts_with(head) || head.starts_with(start),
    }
}

/// Whether `glob` covers everything that begins with `start`.
pub fn covers_extensions(glob: &str, start: &str) -> bool {
    glob.ends_with('*') && matches(glob, start)
}

/// Whether the glob of a URL or of a path covers `value`, a `*` never more than one host or, but
/// for the last one, one segment.
pub fn matches_path(glob: &str, value: &str) -> bool {
    let segments = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (globs, values) = (segments(glob), segments(value));
    let open = globs.last().is_some_and(|last| last == "*");
    let paired = globs
        .iter()
        .zip(&values)
        .all(|(glob, value)| matches(glob, value));
    paired
        && if open {
            values.len() >= globs.len()
        } else {
            values.len() == globs.len()
        }
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_extension, matches_path};

    #[test]
    fn a_star_in_a_path_stays_in_its_segment() {
        for (glob, value, expected) in [
            (
                "oci://charts.example.com/*",
                "oci://charts.example.com/a/b",
                true,
            ),
            ("oci://*.example.com/web", "oci://a.example.com/web", true),
            (
                "oci://*.example.com/*",
                "oci://evil.net/x.example.com/y",
                false,
            ),
            (
                "https://*.example.com/*/web",
                "https://a.example.com/b/web",
                true,
            ),
            (
                "https://*.example.com/*/web",
                "https://a.example.com/b/c/web",
                false,
            ),
            ("stable/*", "stable/web", true),
            ("*", "stable", true),
            ("oci://a/b", "oci://a/b/c", false),
        ] {
            assert_eq!(matches_path(glob, value), expected, "{glob} {value}");
        }
        assert!(
            matches_extension("vault-*", "vaul")
                && matches_extension("vault-*", "vault-0")
                && matches_extension("db", "d")
        );
        assert!(!matches_extension("vault-*", "web") && !matches_extension("db", "dbx"));
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (glob, value, expected) in [
            ("json", "json", true),
            ("json", "jsonpath", false),
            ("jsonpath=*", "jsonpath={.items}", true),
            ("jsonpath=*", "jsonpath-file=/x", false),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*-file=*", "jsonpath-file=/etc/passwd", true),
            ("*aa*a", "aa", false),
        ] {
            assert_eq!(matches(glob, value), expected, "{glob} {value}");
        }
    }
}
