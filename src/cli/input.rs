//! What a sub-command reads: texts of files and of standard input, and policies to judge by.

use std::{
    error::Error,
    io::Read,
    path::{Path, PathBuf},
};

use super::asker::Asker;
use crate::{
    catalogue::Catalogue,
    config::{ReadFor, read_policies},
    policy::{Explainer, Policy},
};

/// The text of a file, or of standard input for `-` and for none.
pub fn text(path: Option<&Path>) -> Result<String, Box<dyn Error>> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Ok(std::fs::read_to_string(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?),
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            Ok(text)
        }
    }
}

/// Loads the files and explains by them to who asks; none means the built-in policy.
pub fn explainer(policy: &[PathBuf], asker: Asker) -> Result<Explainer, Box<dyn Error>> {
    let catalogues = Catalogue::carried()?;
    let policy = Policy::load(&read_policies(policy, ReadFor::Look)?, &catalogues)?;
    let at = asker.at();
    Ok(Explainer::new(policy, catalogues, asker.target()).at(at))
}
