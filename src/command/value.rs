//! What a flag's value must be: the type that pflag has for it, and what the tools put into a URL.

use super::error::CommandError;
use crate::{
    catalogue::{Flag, FlagKind, resource::is_dns_label},
    excerpt::Excerpt,
    unit::go_duration,
};

/// The elements of a list, each to be given by itself: a policy judges every one. pflag reads CSV
/// (v1.0.10 string_slice.go), where quotes join what commas part; no honest element needs them.
pub(super) fn elements(flag: &Flag, value: String) -> Result<Vec<String>, CommandError> {
    let several = value.contains(',');
    let elements: Vec<String> = value.split(',').map(str::to_owned).collect();
    if value.contains('"') || several && elements.iter().any(String::is_empty) {
        let expected = "values with single commas between them, and no double quotes";
        return Err(CommandError::Value {
            flag: flag.name.clone(),
            expected,
            value: shown(flag, &value),
        });
    }
    Ok(elements)
}

/// Checks a value against its flag's type; the result is what the tool will read.
pub(crate) fn typed_value(flag: &Flag, value: String) -> Result<String, CommandError> {
    let wrong = |expected, value: &str| CommandError::Value {
        flag: flag.name.clone(),
        expected,
        value: shown(flag, value),
    };
    // Go reads `010` as eight (strconv.ParseInt with base 0), and klog as ten.
    let digits = |text: &str| {
        !text.is_empty()
            && text.len() <= 18
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    let unsigned = |text: &str| text.strip_prefix('-').unwrap_or(text).to_owned();
    match flag.kind {
        FlagKind::Bool => match value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true".into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false".into()),
            _ => Err(wrong("true or false", &value)),
        },
        FlagKind::Int | FlagKind::IntList if digits(&unsigned(&value)) => Ok(value),
        FlagKind::Int | FlagKind::IntList => Err(wrong("a whole number", &value)),
        FlagKind::Uint if digits(&value) => Ok(value),
        FlagKind::Uint => Err(wrong("a whole number from 0", &value)),
        FlagKind::Float if value.parse::<f32>().is_ok_and(f32::is_finite) => Ok(value),
        FlagKind::Float => Err(wrong("a number", &value)),
        FlagKind::Duration if go_duration(&unsigned(&value)).is_some() => Ok(value),
        FlagKind::Duration => Err(wrong("a duration like 30s or 5m", &value)),
        // All four tools mean the same by it, and all of them put it into a URL.
        FlagKind::Text if flag.name == "namespace" && !is_dns_label(&value) => Err(wrong(
            "a namespace name (lower-case letters, digits and hyphens)",
            &value,
        )),
        // kubectl reads the names of formats in any case (cli-runtime pkg/genericclioptions).
        FlagKind::Text if flag.name == "output" => {
            let format = ["json", "yaml", "name", "wide", "kyaml"]
                .into_iter()
                .find(|format| format.eq_ignore_ascii_case(&value));
            Ok(format.map_or(value, str::to_owned))
        }
        FlagKind::List | FlagKind::Text => Ok(value),
    }
}

/// A value in a message, which is recorded: not one that may be a credential.
fn shown(flag: &Flag, value: &str) -> Excerpt {
    Excerpt::new(if flag.mask.is_some() { "***" } else { value })
}
