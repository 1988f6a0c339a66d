//! The flags of `serve` and `stdio`, each also a variable: what wins over the file of settings.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::egress::AllowRule;

/// Options of `serve` and `stdio`. Each is also a variable and a key of the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// A TOML file with settings; flags and AIRLOCK_* variables win over it. Only it has limits,
    /// named clusters and what kubeconfigs may hold; deploy/airlock.example.toml has every key
    #[arg(long, env = "AIRLOCK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:9096]
    #[arg(long, env = "AIRLOCK_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// A policy file, or builtin:read-only, builtin:standard, builtin:admin; several must all
    /// allow a command [default: builtin:read-only]
    #[arg(
        long,
        env = "AIRLOCK_POLICY",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub policy: Vec<PathBuf>,
    /// The folder that holds kubectl, helm, istioctl and argocd [default:
    /// /usr/lib/kube-airlock/tools]
    #[arg(long, env = "AIRLOCK_TOOLS_DIR", value_name = "DIR")]
    pub tools_dir: Option<PathBuf>,
    /// Opens loopback addresses for API servers, like 127.0.0.1:6443; all others but metadata are
    /// open
    #[arg(long, env = "AIRLOCK_EGRESS_ALLOW", value_name = "CIDR[:PORT,..]")]
    pub egress_allow: Vec<AllowRule>,
    /// Where requests' private directories are made [default: /dev/shm where it is a tmpfs]
    #[arg(long, env = "AIRLOCK_WORK_DIR", value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// A name under which clients call this server, besides the loopback ones
    #[arg(
        long = "allowed-host",
        env = "AIRLOCK_ALLOWED_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// A second address, for /metrics, /health and /ready alone: calls are not taken there, and
    /// /metrics is not at the first one then
    #[arg(long, env = "AIRLOCK_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Listens beyond loopback although callers are not identified; put an authenticating proxy
    /// before it
    #[arg(long, env = "AIRLOCK_INSECURE_NO_AUTH")]
    pub insecure_no_auth: bool,
    /// How the log on standard error is written [default: text]; AIRLOCK_LOG has its levels by
    /// module, like warn,kube_airlock=info,kube_airlock::gate=debug
    #[arg(long, env = "AIRLOCK_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The file for audit records; full ones are kept beside it [default: standard output; of
    /// `stdio`, standard error]
    #[arg(long, env = "AIRLOCK_AUDIT_FILE", value_name = "FILE")]
    pub audit_file: Option<PathBuf>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// JSON lines.
    Json,
    /// For people.
    #[default]
    Text,
}
