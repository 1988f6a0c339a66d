//! A template that stands without quotes, and falls apart at its blanks: [`unquoted`].
//!
//! Comes in: the values of flags and the operands. Goes out: the refusal with the line as it was meant. Nothing is
//! put together in silence: which words belong to the template is a guess.

use std::collections::BTreeMap;

use super::error::CommandError;

/// The flags that take templates, as people write them.
const TEMPLATE_FLAGS: [(&str, &str); 3] = [
    ("output", "-o "),
    ("sort-by", "--sort-by="),
    ("template", "--template="),
];

/// The refusal, where an operand looks like the rest of a flag's template.
pub(super) fn unquoted(
    flags: &BTreeMap<String, Vec<String>>,
    operands: &[String],
) -> Option<CommandError> {
    let at = operands.iter().position(|word| word.contains(['{', '}']))?;
    let (flag, value, spelt) = TEMPLATE_FLAGS.into_iter().find_map(|(flag, spelt)| {
        let value = flags.get(flag)?.last()?;
        value.contains(['{', '=']).then_some((flag, value, spelt))
    })?;
    let mut template = value.clone();
    for word in operands.get(at..)? {
        template.push(' ');
        template.push_str(word);
        if template.matches('{').count() == template.matches('}').count() && !is_open(&template) {
            break;
        }
    }
    let quoted = match template.split_once('=') {
        Some((form, template)) if flag == "output" => {
            format!("{spelt}{form}={}", in_quotes(&with_texts_quoted(template)))
        }
        _ => format!("{spelt}{}", in_quotes(&with_texts_quoted(&template))),
    };
    Some(CommandError::UnquotedTemplate {
        flag: flag.to_owned(),
        quoted,
    })
}

/// Whether a loop of the template has no end yet.
fn is_open(template: &str) -> bool {
    template.matches("{range").count() > template.matches("{end}").count()
}

fn in_quotes(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The texts of a jsonpath in their quotes, which a line without quotes around all of it has lost:
/// `{\n}`.
fn with_texts_quoted(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let (inner, behind) = behind.split_once('}').unwrap_or((behind, ""));
        let is_code = inner.starts_with(['.', '$', '@', '[', '{', '?', '*', '"', '\''])
            || inner.starts_with("range")
            || inner == "end";
        if is_code {
            text.push_str(&format!("{{{inner}}}"));
        } else {
            text.push_str(&format!("{{\"{inner}\"}}"));
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_fell_apart_is_put_together_for_the_caller() {
        let flags = |value: &str| BTreeMap::from([("output".to_owned(), vec![value.to_owned()])]);
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        for (value, operands, expected) in [
            (
                "jsonpath={range",
                &["pods", ".items[*]}{.metadata.name}{\\n}{end}"][..],
                "-o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'",
            ),
            (
                "jsonpath={.items[*].metadata.name}",
                &["pods", "{.items[*].kind}"],
                "-o jsonpath='{.items[*].metadata.name} {.items[*].kind}'",
            ),
        ] {
            match unquoted(&flags(value), &words(operands)) {
                Some(CommandError::UnquotedTemplate { quoted, .. }) => assert_eq!(quoted, expected),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(unquoted(&flags("wide"), &words(&["pods", "{x}"])), None);
        assert_eq!(unquoted(&flags("json"), &words(&["pods"])), None);
    }
}
