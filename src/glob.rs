//! Globs: a text with any number of `*`, each standing for anything, nothing included.

#![forbid(unsafe_code)]

/// Whether `glob` covers all of `value`.
pub fn matches(glob: &str, value: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == value };
    let Some(mut value) = value.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match value.find(part) {
            Some(at) => value = value.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    value.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::matches;

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
