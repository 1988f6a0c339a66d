//! The command line: one file per sub-command. May not reach past the gate.

#![forbid(unsafe_code)]

mod audit_verify;
mod catalogue_check;
mod doctor;
mod input;
mod kubeconfig;
mod policy_check;
mod policy_diff;
mod policy_explain;
mod policy_show;
mod reload;
mod policy_suggest;
mod policy_test;
mod serve;
mod token;
mod trace;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{ConfigError, Options},
    mistake::Finding,
};

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
    /// Work with policy files
    #[command(subcommand)]
    Policy(PolicyCommand),
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
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Load policy files, with what they include, and run their examples and tests
    Check {
        /// The files, or builtin:NAME
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One line per problem, FILE:LINE:COLUMN: MESSAGE, for editors and scripts
        #[arg(long)]
        short: bool,
    },
    /// Say what a policy decides about a command, by which rule, and what came near
    Explain(policy_explain::Explain),
    /// Show which commands two policies decide differently
    Diff(policy_diff::Diff),
    /// Run the examples and tests of policy files, and the cases of a table
    Test(policy_test::TestPolicy),
    /// Propose rules that would allow what an audit log says was denied
    Suggest(policy_suggest::Suggest),
    /// Print a built-in policy: to read it, or to begin one of your own
    Show(policy_show::Show),
    /// Print the JSON Schema of policy files, for editors
    Schema,
}

/// Runs the command line of this process. Call it while there is one thread: `serve` forks.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(options) => serve::http(options),
        Command::Stdio(options) => serve::stdio(options),
        Command::Doctor(doctor) => doctor.run(),
        Command::Audit(AuditCommand::Verify(verify)) => match verify.run() {
            Ok(status) => return ExitCode::from(status),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error}");
                return ExitCode::from(audit_verify::UNUSABLE);
            }
        },
        Command::Trace(trace) => match trace.run() {
            Ok(status) => return ExitCode::from(status),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error}");
                return ExitCode::from(trace::FAILED);
            }
        },
        Command::Kubeconfig(KubeconfigCommand::Check(check)) => check.run(),
        Command::Kubeconfig(KubeconfigCommand::Minify(minify)) => minify.run(),
        Command::Token(TokenCommand::New(new)) => new.run(),
        Command::Catalogue(CatalogueCommand::Check) => catalogue_check::run(),
        Command::Policy(PolicyCommand::Check { files, short }) => policy_check::run(&files, short),
        Command::Policy(PolicyCommand::Explain(explain)) => explain.run(),
        Command::Policy(PolicyCommand::Diff(diff)) => diff.run(),
        Command::Policy(PolicyCommand::Test(test)) => test.run(),
        Command::Policy(PolicyCommand::Suggest(suggest)) => suggest.run(),
        Command::Policy(PolicyCommand::Show(show)) => show.run(),
        Command::Policy(PolicyCommand::Schema) => policy_check::print_schema(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // `… | head` is not an error.
        Err(error)
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", for_a_person(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Writes an error out: a mistake in the settings has its place underlined.
fn for_a_person(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(ConfigError::Mistake(mistake)) => format!(
            "the settings do not load\n{}",
            mistake.underlined(Finding::SettingsInvalid)
        ),
        _ => error.to_string(),
    }
}
