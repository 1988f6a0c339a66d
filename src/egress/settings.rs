//! The `[egress]` table of the settings.

use serde::Deserialize;
use toml::Spanned;

use super::address::{AllowError, AllowRule};
use crate::mistake::SettingError;

/// The table `[egress]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressTable {
    allow: Vec<Spanned<String>>,
}

impl EgressTable {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first that is none.
    pub fn rules(&self) -> Result<Vec<AllowRule>, SettingError> {
        let read = |text: &Spanned<String>| {
            text.get_ref().parse().map_err(|error: AllowError| {
                SettingError::new("egress.allow", text.span(), error.to_string())
            })
        };
        self.allow.iter().map(read).collect()
    }
}
