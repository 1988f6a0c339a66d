//! The command line, one file per sub-command, and where the rooms are put together. No sub-command
//! starts a tool other than through the gate, but `trace`, which runs a program unconfined to learn
//! its system calls.

#![forbid(unsafe_code)]

mod asker;
mod audit_verify;
mod catalogue_check;
mod catalogue_list;
mod config;
mod doctor;
mod input;
mod inputs;
mod kubeconfig;
mod notify;
mod operator;
mod policy;
mod policy_check;
mod policy_diff;
mod policy_explain;
mod policy_show;
mod policy_suggest;
mod policy_test;
mod prepared;
mod reload;
mod report;
mod serve;
mod token;
mod trace;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::Options;
use policy::PolicyCommand;
use report::{AnswerForm, UNUSABLE, ended};

/// The status of a command that failed, where it has one such status.
const FAILED: u8 = 1;

/// Lets untrusted agents run kubectl, helm, istioctl and argocd, confined and checked against a
/// policy.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Start here: `make run` in a checkout starts the server beside a demo cluster and prints a first call."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve REST (POST /tools/{tool}) and MCP (/mcp) over HTTP
    Serve(Options),
    /// Serve MCP on standard input and output; the kubeconfig is $KUBECONFIG, else ~/.kube/config
    Stdio(Options),
    /// Apply every layer of the sandbox on this host, try to get out, and say what holds
    Doctor(doctor::Doctor),
    /// Run a program UNCONFINED and print what it asks of the kernel beyond a profile of the
    /// sandbox
    Trace(trace::Trace),
    /// See and end the calls of every principal, on a server of this host
    #[command(subcommand)]
    Calls(operator::Calls),
    /// Lock a principal of a server of this host: its calls end, and what it sends is refused
    Lock(operator::LockPrincipal),
    /// Let a principal call again
    Unlock(operator::UnlockPrincipal),
    /// Work with policy files
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Work with settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Work with kubeconfigs
    #[command(subcommand)]
    Kubeconfig(KubeconfigCommand),
    /// Work with the tokens of callers
    #[command(subcommand)]
    Token(TokenCommand),
    /// Work with audit records
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Work with the catalogues of the tools
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a caller; what the settings hold of it goes to standard output, the token
    /// to standard error
    New(token::New),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Say whether records are the chain that was written, and where they are not
    Verify(audit_verify::Verify),
}

#[derive(Debug, Subcommand)]
enum KubeconfigCommand {
    /// Say whether kubeconfigs would be accepted, and what to do where they would not
    Check(kubeconfig::Check),
    /// Print the part of a kubeconfig that a child would get, secrets left out
    Minify(kubeconfig::Minify),
}

#[derive(Debug, Subcommand)]
enum CatalogueCommand {
    /// Fail when a verb or a flag has no class, or a class has no verb or flag
    Check,
    /// Show what rules can name: tools, their verbs, a verb's flags, resources
    List(catalogue_list::ListCatalogue),
}

/// Runs the command line of this process. Call it while there is one thread: `serve` forks.
pub fn run() -> ExitCode {
    let succeeded = |done: Result<(), Box<dyn Error>>| {
        ended(done.map(|()| ExitCode::SUCCESS), AnswerForm::Text, FAILED)
    };
    match Cli::parse().command {
        Command::Serve(options) => succeeded(serve::http(options)),
        Command::Stdio(options) => succeeded(serve::stdio(options)),
        Command::Doctor(doctor) => succeeded(doctor.run()),
        Command::Audit(AuditCommand::Verify(verify)) => {
            let status = verify.run().map(ExitCode::from);
            ended(status, AnswerForm::Text, audit_verify::UNUSABLE)
        }
        Command::Trace(trace) => {
            let status = trace.run().map(ExitCode::from);
            ended(status, AnswerForm::Text, trace::FAILED)
        }
        Command::Calls(calls) => succeeded(calls.run()),
        Command::Lock(lock) => succeeded(lock.run()),
        Command::Unlock(unlock) => succeeded(unlock.run()),
        Command::Kubeconfig(KubeconfigCommand::Check(check)) => succeeded(check.run()),
        Command::Kubeconfig(KubeconfigCommand::Minify(minify)) => succeeded(minify.run()),
        Command::Token(TokenCommand::New(new)) => succeeded(new.run()),
        Command::Catalogue(CatalogueCommand::Check) => succeeded(catalogue_check::run()),
        Command::Catalogue(CatalogueCommand::List(list)) => {
            let format = list.format();
            ended(list.run(), format, UNUSABLE)
        }
        Command::Config(config) => config.run(),
        Command::Policy(policy) => policy.run(),
    }
}
