//! `kube-airlock kubeconfig check FILE…|-` and `kube-airlock kubeconfig minify FILE|-`

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::Args;
use serde::Serialize;

use crate::{
    config::{Options, Settings},
    egress::{Allowed, EgressError},
    endpoint::EndpointHost,
    kubeconfig::{Allowances, Kubeconfig, KubeconfigError, decode},
    refusal::Refusal,
    secret::SecretBytes,
};

/// Say whether kubeconfigs would be accepted, and what to do where they would not.
#[derive(Debug, Args)]
pub struct Check {
    /// The files; `-` is standard input. YAML, JSON, or base64 of either
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON object per file and line: file, accepted, code, reason, hint, line
    #[arg(long)]
    json: bool,
    /// A context of each file, instead of its current one
    #[arg(long)]
    context: Option<String>,
    /// The server's settings; what they accept is accepted here [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Print the part of a kubeconfig that a child would get, secrets left out.
#[derive(Debug, Args)]
pub struct Minify {
    /// The file; `-` is standard input. YAML, JSON, or base64 of either
    file: PathBuf,
    /// A context of the file, instead of its current one
    #[arg(long)]
    context: Option<String>,
    /// The server's settings; what they accept is accepted here [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The refusal of a kubeconfig, and its line.
struct Refused {
    refusal: Refusal,
    line: Option<usize>,
}

/// The report of one file.
#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    accepted: bool,
    code: Option<&'static str>,
    reason: Option<String>,
    hint: Option<String>,
    line: Option<usize>,
}

impl Check {
    /// Runs the sub-command; fails when a file would be refused.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (allowances, allowed) = accepted_by(self.config)?;
        let mut out = io::stdout().lock();
        let mut refused = 0_usize;
        for path in &self.files {
            let found = judged(
                &contents(path)?,
                self.context.as_deref(),
                &allowances,
                &allowed,
            );
            refused += usize::from(found.is_err());
            if self.json {
                let line = found.as_ref().err().and_then(|refused| refused.line);
                let refusal = found.as_ref().err().map(|refused| &refused.refusal);
                serde_json::to_writer(
                    &mut out,
                    &Checked {
                        file: path.clone(),
                        accepted: found.is_ok(),
                        code: refusal.map(|refusal| refusal.code().as_str()),
                        reason: refusal.map(ToString::to_string),
                        hint: refusal.map(Refusal::hint),
                        line,
                    },
                )?;
                writeln!(out)?;
                continue;
            }
            match found {
                Ok(kubeconfig) => writeln!(
                    out,
                    "{}: accepted, for {}",
                    path.display(),
                    kubeconfig.endpoint()
                )?,
                Err(refused) => {
                    let refusal = refused.refusal;
                    writeln!(
                        out,
                        "{}: refused, {}\n  {refusal}\n  try: {}",
                        path.display(),
                        refusal.code().as_str(),
                        refusal.hint()
                    )?;
                }
            }
        }
        if refused == 0 {
            Ok(())
        } else {
            Err(format!(
                "{refused} of {} kubeconfigs would be refused",
                self.files.len()
            )
            .into())
        }
    }
}

impl Minify {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (allowances, allowed) = accepted_by(self.config)?;
        let kubeconfig = judged(
            &contents(&self.file)?,
            self.context.as_deref(),
            &allowances,
            &allowed,
        )
        .map_err(|refused| format!("{}\n  try: {}", refused.refusal, refused.refusal.hint()))?;
        writeln!(
            io::stdout(),
            "{}",
            serde_json::to_string_pretty(&kubeconfig.masked())?
        )?;
        Ok(())
    }
}

/// Returns what the settings accept in kubeconfigs, and the addresses that they open.
fn accepted_by(config: Option<PathBuf>) -> Result<(Allowances, Allowed), Box<dyn Error>> {
    let Some(config) = config else {
        return Ok(Default::default());
    };
    let settings = Settings::load(Options {
        config: Some(config),
        ..Options::default()
    })?;
    Ok((settings.kubeconfig, settings.egress))
}

/// The kubeconfig, or why it would be refused, with the line. A host that is a name is not
/// resolved, but for `localhost`.
fn judged(
    bytes: &SecretBytes,
    context: Option<&str>,
    allowances: &Allowances,
    allowed: &Allowed,
) -> Result<Kubeconfig, Box<Refused>> {
    let with_line = |error: KubeconfigError| {
        Box::new(Refused {
            line: error.line(),
            refusal: error.into(),
        })
    };
    let parsed = Kubeconfig::parse(bytes, context, allowances, SystemTime::now());
    // As a caller would send it: base64. What is neither is told about as a kubeconfig.
    let kubeconfig = parsed.or_else(|error| {
        match std::str::from_utf8(bytes.expose())
            .ok()
            .and_then(|text| decode(text).ok())
        {
            Some(decoded) => Kubeconfig::parse(&decoded, context, allowances, SystemTime::now()),
            None => Err(error),
        }
    });
    let kubeconfig = kubeconfig.map_err(with_line)?;
    let endpoint = kubeconfig.endpoint();
    if !allowed.lists(endpoint) {
        let endpoint = endpoint.to_string();
        return Err(Box::new(Refused {
            refusal: EgressError::NotListed { endpoint }.into(),
            line: None,
        }));
    }
    // The one name that leads everywhere to the same place (RFC 6761, section 6.3).
    let address = match endpoint.host() {
        EndpointHost::Address(address) => Some(*address),
        EndpointHost::Name(name) => is_localhost(name).then_some(Ipv4Addr::LOCALHOST.into()),
    };
    if let Some(address) = address {
        let forbidden = |why| EgressError::Forbidden {
            endpoint: endpoint.to_string(),
            address,
            why,
        };
        allowed
            .vet(address, endpoint.port(), |_| false)
            .map_err(|why| {
                Box::new(Refused {
                    refusal: forbidden(why).into(),
                    line: None,
                })
            })?;
    }
    Ok(kubeconfig)
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn contents(path: &Path) -> Result<SecretBytes, Box<dyn Error>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    }
    Ok(SecretBytes::new(bytes))
}
