//! `kube-airlock token new`.

use std::{
    error::Error,
    io::{self, Write},
    time::SystemTime,
};

use clap::Args;

use crate::{
    identity::{TOKEN_LASTS, TokenDigest, new_token},
    unit::go_duration,
};

/// A new token for a caller, and what the settings hold of it.
#[derive(Args, Debug)]
pub struct New {
    /// The caller's name in policies, limits and records
    principal: String,
    /// A group that policies may name; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// How long it is good, like 720h; `never` for no end [default: 90 days]
    #[arg(long, value_name = "DURATION")]
    lasts: Option<String>,
}

impl New {
    /// Prints the token to standard error and the settings to standard output, so that each can go
    /// its own way.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let lasts =
            match self.lasts.as_deref() {
                None => Some(TOKEN_LASTS),
                Some("never") => None,
                Some(text) => Some(go_duration(text).ok_or_else(|| {
                    format!("`{text}` is not a duration like 720h, and not `never`")
                })?),
            };
        let token = new_token()?;
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut out = io::stdout().lock();
        writeln!(out, "[[caller]]\nprincipal = {}", quoted(&self.principal))?;
        if !self.groups.is_empty() {
            writeln!(
                out,
                "groups = [{}]",
                self.groups
                    .iter()
                    .map(|group| quoted(group))
                    .collect::<Vec<_>>()
                    .join(", ")
            )?;
        }
        writeln!(
            out,
            "token_sha256 = \"{}\"",
            TokenDigest::of(token.expose().as_bytes()).text()
        )?;
        if let Some(lasts) = lasts {
            writeln!(
                out,
                "expires = \"{}\"",
                humantime::format_rfc3339_seconds(SystemTime::now() + lasts)
            )?;
        }
        writeln!(
            io::stderr(),
            "# The token, which is shown this once: the caller sends it as `Authorization: Bearer TOKEN`.\n{}",
            token.expose()
        )?;
        Ok(())
    }
}
