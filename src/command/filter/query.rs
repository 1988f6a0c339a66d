//! An expression of jq's or yq's: what reads a file or the environment is refused.

use super::error::FilterError;
use crate::excerpt::Excerpt;

const READS_A_FILE: &str = "it reads a file";
const NO_ENVIRONMENT: &str = "there is no environment; a field is written `.env`";

/// Reads a query of jq's to its end.
///
/// # Errors
/// The first word in it that does more than compute.
pub(super) fn read_jq(query: &str) -> Result<(), FilterError> {
    let rest = jq(query, false)?;
    // A parenthesis too many is jq's to complain about; what is behind it is read all the same.
    if rest.is_empty() {
        Ok(())
    } else {
        read_jq(rest)
    }
}

/// Reads code up to its end, or to the parenthesis that ends an interpolation; what is behind is
/// given back.
fn jq(query: &str, in_string: bool) -> Result<&str, FilterError> {
    let wrong = |construct: &str, why| FilterError::Script {
        filter: "jq",
        construct: Excerpt::new(construct),
        why,
    };
    let mut rest = query;
    let mut depth = 0_usize;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        let mut next = behind;
        match first {
            '"' => next = jq_string(behind)?,
            '#' => next = behind_the_line(behind),
            '(' => depth += 1,
            ')' if depth == 0 && in_string => return Ok(behind),
            ')' => depth = depth.saturating_sub(1),
            first if first.is_ascii_alphabetic() || first == '_' => {
                let length = rest
                    .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                    .unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(length).unwrap_or_default();
                next = behind;
                let is_key =
                    behind.trim_start().starts_with(':') && !behind.trim_start().starts_with("::");
                match (before, word) {
                    ('.' | '@', _) => {} // a field, a format
                    ('$', "ENV") => return Err(wrong("$ENV", NO_ENVIRONMENT)),
                    ('$', _) => {}
                    _ if is_key => {}
                    (_, "env") => return Err(wrong("env", NO_ENVIRONMENT)),
                    (_, "import" | "include" | "modulemeta" | "get_search_list") => {
                        return Err(wrong(word, READS_A_FILE));
                    }
                    (_, "input_filename") => return Err(wrong(word, "there are no files")),
                    _ => {}
                }
            }
            _ => {}
        }
        before = first;
        rest = next;
    }
    Ok("")
}

/// What is behind a comment, which ends with its line.
fn behind_the_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, behind)| behind)
}

/// Behind the quote that opens a string: what is behind the one that closes it.
fn jq_string(text: &str) -> Result<&str, FilterError> {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match (first, behind.chars().next()) {
            ('"', _) => return Ok(behind),
            ('\\', Some('(')) => jq(behind.get(1..).unwrap_or_default(), true)?,
            ('\\', Some(escaped)) => behind.get(escaped.len_utf8()..).unwrap_or_default(),
            _ => behind,
        };
    }
    Ok("")
}

/// Reads an expression of yq's to its end (v4.54 pkg/yqlib/lexer_participle.go).
///
/// # Errors
/// The first word in it that does more than compute.
pub(super) fn read_yq(expression: &str) -> Result<(), FilterError> {
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            // Its operators need no blank between them: `notload("x")` is two.
            '"' => {
                let length = yq_string(rest);
                let string = rest.get(..length).unwrap_or_default();
                if string.contains("\\(") {
                    yq_words(string)?;
                }
                length
            }
            '.' => {
                let path = rest.get(1..).unwrap_or_default();
                1 + path
                    .find(|character: char| " ;}{:[],|.()=\n!\"".contains(character))
                    .unwrap_or(path.len())
            }
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ => rest.find(['"', '.', '#']).unwrap_or(rest.len()),
        };
        let (part, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !matches!(first, '"' | '.' | '#') {
            yq_words(part)?;
        }
        rest = behind;
    }
    Ok(())
}

fn yq_words(code: &str) -> Result<(), FilterError> {
    let wrong = |construct: &str, why| {
        Err(FilterError::Script {
            filter: "yq",
            construct: Excerpt::new(construct),
            why,
        })
    };
    for (word, why) in [
        ("load", READS_A_FILE),
        ("strenv", NO_ENVIRONMENT),
        ("env", NO_ENVIRONMENT),
        ("system", "it runs a program"),
        ("eval", "what it would evaluate is not seen before"),
    ] {
        if code.contains(word) {
            return wrong(word, why);
        }
    }
    Ok(())
}

/// The length of a string, both quotes included.
fn yq_string(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_compute_are_read() {
        for query in [
            ".",
            ".items[].metadata.name",
            ".items[] | select(.status.phase != \"Running\") | .metadata.name",
            ".spec.containers[].env[]?.name",
            "{env: .spec.env, include: 1}",
            "\"\\(.a) env \\(.b | length)\"",
            ".items | map({name: .metadata.name, \"env\": .x}) | sort_by(.name)",
            "[.[] | .env]",
            "\"import \\\"x\\\" $ENV\"",
            "@base64d",
            "input, inputs",
            ". # env",
            "$x.env",
        ] {
            assert_eq!(read_jq(query), Ok(()), "{query}");
        }
        for expression in [
            ".a.env",
            ".items[] | select(.kind == \"load\") | .metadata.name",
            ".load.env",
            ".spec.my-env",
            "length",
            ". # env",
            ".\"env\"",
        ] {
            assert_eq!(read_yq(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn queries_that_read_files_or_the_environment_are_refused() {
        for (query, construct) in [
            ("env", "env"),
            ("env.HOME", "env"),
            (".a | env", "env"),
            ("{(env): 1}", "env"),
            ("{env}", "env"),
            ("$ENV", "$ENV"),
            ("$ENV.HOME", "$ENV"),
            ("\"\\(env)\"", "env"),
            ("\"\\(\"\\(env)\")\"", "env"),
            (")env", "env"),
            ("import \"/etc/passwd\" as $x; .", "import"),
            ("include \"x\"; .", "include"),
            ("input_filename", "input_filename"),
            ("\"x\" | modulemeta", "modulemeta"),
            ("\"a\\\\\" | env", "env"),
        ] {
            let found = read_jq(query);
            assert!(
                matches!(found, Err(FilterError::Script { construct: ref found, .. }) if *found == Excerpt::new(construct)),
                "{query}: {found:?}"
            );
        }
        for (expression, construct) in [
            ("load(\"/etc/passwd\")", "load"),
            (".a | notload(\"x\")", "load"),
            ("load_str(\"x\")", "load"),
            ("xml_load(\"x\")", "load"),
            ("env(HOME)", "env"),
            ("strenv(HOME)", "strenv"),
            ("envsubst", "env"),
            ("system(\"id\")", "system"),
            ("eval(\"x\")", "eval"),
            ("\"\\(load(\\\"x\\\"))\"", "load"),
            (".a * load(\"x\")", "load"),
            (".a=load(\"x\")", "load"),
        ] {
            let found = read_yq(expression);
            assert!(
                matches!(found, Err(FilterError::Script { construct: ref found, .. }) if *found == Excerpt::new(construct)),
                "{expression}: {found:?}"
            );
        }
    }
}
