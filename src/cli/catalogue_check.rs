//! `kube-airlock catalogue check`

use std::{error::Error, io::Write};

use crate::catalogue::{Catalogue, unclassed};

/// Prints what the catalogues and the hazards files disagree about.
pub fn run() -> Result<(), Box<dyn Error>> {
    let catalogues = Catalogue::carried()?;
    let mut out = std::io::stdout();
    let wrong = unclassed(&catalogues)?;
    for line in &wrong {
        writeln!(out, "{line}")?;
    }
    for catalogue in &catalogues {
        let flags: usize = catalogue.commands().map(|node| node.flags.len()).sum();
        writeln!(
            out,
            "{} {}: {} verbs, {flags} flags",
            catalogue.tool(),
            catalogue.version(),
            catalogue.commands().count()
        )?;
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{} entries are missing or stale; see docs/catalogue.md",
            wrong.len()
        )
        .into())
    }
}
