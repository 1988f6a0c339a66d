//! The `[[caller]]` tables of the settings: whom a token identifies.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::token::{ANONYMOUS, KnownCaller};
use crate::mistake::SettingError;

/// A table `[[caller]]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallerTable {
    /// The name of the caller in rules, limits and records.
    #[schemars(with = "String")]
    principal: Spanned<String>,
    /// The groups of the caller, for rules.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    groups: Vec<Spanned<String>>,
    /// The SHA-256 of the caller's token; `kube-airlock token new NAME` makes both.
    #[schemars(with = "String")]
    token_sha256: Spanned<String>,
    /// The time from which on the token is refused: `2027-03-01T00:00:00Z`.
    #[schemars(with = "Option<String>")]
    expires: Option<Spanned<String>>,
}

impl CallerTable {
    /// Reads the caller.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn known(self) -> Result<KnownCaller, SettingError> {
        let names = std::iter::once(&self.principal).chain(&self.groups);
        let strange = names.into_iter().find(|name| !is_name(name.get_ref()));
        let anonymous = (self.principal.get_ref() == ANONYMOUS).then_some(&self.principal);
        if let Some(name) = strange.or(anonymous) {
            let problem = "a caller or group has no name that can be used";
            let help = "give each caller and group a name of visible ASCII characters; `anonymous` is whoever is not known";
            return Err(SettingError::new("caller.principal", name.span(), problem).help(help));
        }
        let token = &self.token_sha256;
        let digest = token.get_ref().parse().map_err(|problem: &str| {
            SettingError::new("caller.token_sha256", token.span(), problem)
        })?;
        let expires = self.expires.map(|text| {
            humantime::parse_rfc3339_weak(text.get_ref()).map_err(|_| {
                SettingError::new("caller.expires", text.span(), "this is not a time")
                    .help("give a time like 2027-03-01T00:00:00Z")
            })
        });
        Ok(KnownCaller {
            digest,
            expires: expires.transpose()?,
            principal: self.principal.into_inner(),
            groups: self.groups.into_iter().map(Spanned::into_inner).collect(),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_graphic())
}
