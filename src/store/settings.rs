//! The `[kept]` table of the settings: what is kept of outputs that an answer shows in part.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::kept::KeptBounds;
use crate::{
    mistake::SettingError,
    unit::{Bytes, GoDuration},
};

/// Longer is for a file of the caller's own.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The table `[kept]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeptTable {
    /// The most of one output: `2MiB`.
    output: Option<Bytes>,
    /// The most of all outputs of one caller: `8MiB`.
    #[schemars(with = "Option<Bytes>")]
    per_caller: Option<Spanned<Bytes>>,
    /// The most of all: `32MiB`.
    #[schemars(with = "Option<Bytes>")]
    all: Option<Spanned<Bytes>>,
    /// For how long: `10m`, at most an hour; `0` keeps nothing.
    #[schemars(with = "Option<GoDuration>")]
    time: Option<Spanned<GoDuration>>,
}

impl KeptTable {
    /// Reads the bounds.
    ///
    /// # Errors
    /// The first that no other leaves room for.
    pub fn bounds(&self) -> Result<KeptBounds, SettingError> {
        let size = |given: &Option<Spanned<Bytes>>, default: usize| {
            given
                .as_ref()
                .map_or(default, |size| size.get_ref().length())
        };
        let bounds = KeptBounds {
            of_one: self.output.map_or(2 << 20, Bytes::length),
            of_principal: size(&self.per_caller, 8 << 20),
            of_all: size(&self.all, 32 << 20),
            time: self
                .time
                .as_ref()
                .map_or(Duration::from_secs(600), |time| time.get_ref().0),
        };
        let too_small = |key, at: &Option<Spanned<Bytes>>, of: &'static str| {
            let problem = format!("it is less than {of}");
            let error = SettingError::new(key, at.as_ref().map(Spanned::span), problem);
            Err(error.help("give as much or more"))
        };
        if bounds.of_principal < bounds.of_one {
            return too_small(
                "kept.per_caller",
                &self.per_caller,
                "one output (kept.output)",
            );
        }
        if bounds.of_all < bounds.of_principal {
            return too_small("kept.all", &self.all, "one caller's (kept.per_caller)");
        }
        if bounds.time > LONGEST {
            let at = self.time.as_ref().map(Spanned::span);
            let problem = "outputs would be kept for longer than an hour";
            return Err(SettingError::new("kept.time", at, problem).help("give an hour or less"));
        }
        Ok(bounds)
    }
}
