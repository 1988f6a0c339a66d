//! Texts that a sub-command reads: files, and standard input.

use std::{error::Error, io::Read, path::Path};

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
