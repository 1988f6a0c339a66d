//! `kube-airlock policy check FILE…` and `kube-airlock policy schema`

use std::{error::Error, io::Write, path::PathBuf};

use crate::{
    catalogue::Catalogue,
    config::{ReadFor, read_policies},
    mistake::Finding,
    policy::{Policy, PolicyErrors, PolicySource, schema},
};

/// Loads each file by itself; prints all errors, not only the first file's, and what looks unmeant. `short` is one line per problem, `FILE:LINE:COLUMN: MESSAGE`, for editors and scripts.
pub fn run(paths: &[PathBuf], short: bool) -> Result<(), Box<dyn Error>> {
    let catalogues = Catalogue::carried()?;
    let mut out = std::io::stdout();
    let mut wrong = 0_usize;
    for (path, source) in paths.iter().zip(read_policies(paths, ReadFor::Look)?) {
        match Policy::load(std::slice::from_ref(&source), &catalogues) {
            Ok(policy) => {
                for lint in policy.lints() {
                    let told = if short {
                        format!("warning: {lint}")
                    } else {
                        lint.underlined(Finding::PolicyLint)
                    };
                    writeln!(out, "{told}")?;
                }
                writeln!(
                    out,
                    "{}: ok{}",
                    path.display(),
                    with_included(&source, &policy)
                )?;
            }
            Err(errors) => {
                wrong += 1;
                let told = if short {
                    format!("error: {errors}")
                } else {
                    underlined(&errors)
                };
                writeln!(out, "{told}")?;
            }
        }
    }
    if wrong == 0 {
        Ok(())
    } else {
        Err(format!("{wrong} of {} files do not load", paths.len()).into())
    }
}

/// What a policy comes to that includes others.
fn with_included(source: &PolicySource, policy: &Policy) -> String {
    let included: Vec<&str> = source.included().collect();
    if included.is_empty() {
        return String::new();
    }
    format!(
        ", with {}: {} rules, {} examples and tests",
        included.join(" and "),
        policy.rules(),
        policy.examples()
    )
}

/// Each error with its place underlined.
pub fn underlined(errors: &PolicyErrors) -> String {
    errors
        .0
        .iter()
        .map(|error| error.underlined(Finding::PolicyInvalid))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Prints the JSON Schema of policy files.
pub fn print_schema() -> Result<(), Box<dyn Error>> {
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string_pretty(&schema())?
    )?;
    Ok(())
}
