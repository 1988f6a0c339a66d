//! `kube-airlock policy check FILE…` and `kube-airlock policy schema`

use std::{error::Error, io::Write, path::PathBuf};

use crate::{
    catalogue::Catalogue,
    config::read_policies,
    policy::{Policy, schema},
};

/// Loads each file by itself; all errors are told, not only the first file's.
pub fn run(paths: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let catalogues = Catalogue::carried()?;
    let mut out = std::io::stdout();
    let mut wrong = 0_usize;
    for (path, file) in paths.iter().zip(read_policies(paths)?) {
        match Policy::load(&[file], &catalogues) {
            Ok(_) => writeln!(out, "{}: ok", path.display())?,
            Err(error) => {
                wrong += 1;
                writeln!(out, "error[policy_invalid]: {error}")?;
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} of {} files do not load", paths.len()).into()) }
}

/// Prints the JSON Schema of policy files.
pub fn print_schema() -> Result<(), Box<dyn Error>> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&schema())?)?;
    Ok(())
}
