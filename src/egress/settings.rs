//! The `[egress]` table of the settings.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::address::{AllowError, AllowRule};
use crate::mistake::SettingError;

/// The table `[egress]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressTable {
    /// Loopback addresses of API servers on this host, as ADDRESS or CIDR, either with `:PORT,PORT`.
    #[schemars(with = "Vec<String>")]
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
