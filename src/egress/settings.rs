//! The `[egress]` table of the settings.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::address::{AllowError, AllowRule, OnlyError, OnlyRule};
use crate::mistake::SettingError;

/// The table `[egress]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressTable {
    /// Loopback addresses of API servers on this host, as ADDRESS or CIDR, either with `:PORT,PORT`.
    #[schemars(with = "Vec<String>")]
    allow: Vec<Spanned<String>>,
    /// The only servers that are reached, before a name is resolved: ADDRESS or CIDR, or a name with
    /// `*`, each with `:PORT`. Without it, all but those that are never.
    #[schemars(with = "Option<Vec<String>>")]
    only: Option<Vec<Spanned<String>>>,
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

    /// Reads the only servers that are reached, where they are listed.
    ///
    /// # Errors
    /// The first that is none.
    pub fn only(&self) -> Result<Option<Vec<OnlyRule>>, SettingError> {
        let read = |text: &Spanned<String>| {
            text.get_ref().parse().map_err(|error: OnlyError| {
                SettingError::new("egress.only", text.span(), error.to_string())
            })
        };
        let only = self.only.as_ref();
        only.map(|only| only.iter().map(read).collect()).transpose()
    }
}
