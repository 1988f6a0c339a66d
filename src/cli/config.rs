//! `kube-airlock config check FILE` and `kube-airlock config schema`.
//!
//! Reads what a server reads, in its order and by its code, and starts nothing: settings, policies,
//! named clusters, the key, and then, as the user that the server becomes, what it reads and writes
//! later. Held by `tests/cli/config.rs`.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use clap::{Args, Subcommand};
use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    unistd::{AccessFlags, User, faccessat, geteuid},
};
use serde::Serialize;

use super::{
    inputs::StartInputs,
    report::{
        AnswerForm, CodedError, CommandEnd, FOUND, StartErrors, UNUSABLE, code, ended, findings,
        for_a_person, print_json,
    },
};
use crate::{
    clusters::Clusters,
    config::{Options, ReadFor, Settings, read_policies, read_settings, schema},
    excerpt::Excerpt,
    mistake::{Finding, FindingReport},
    policy::PolicyError,
    sandbox::Identity,
};

/// The sub-commands of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say all that is wrong with settings and what they name, without starting a server
    Check(CheckConfig),
    /// Print the JSON Schema of the file of settings, for editors
    Schema,
}

/// Say all that is wrong with settings and what they name.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads settings, policies with their tests, named clusters, callers and the key of the records as a server
does. Then, as the user that it becomes, whether it can read them again when they change, and write where
it has to. Started as root it becomes that user for good; the settings name it (`sandbox.server_user`).

Exit status: 0 when a server would start and take changes, 1 when not, 2 when that could not be found out.

Examples:
  kube-airlock config check /etc/kube-airlock/airlock.toml
  sudo kube-airlock config check /etc/kube-airlock/airlock.toml --as-user kube-airlock
  kube-airlock config check airlock.toml --json | jq '.errors[].message'")]
pub struct CheckConfig {
    /// The file of settings
    file: PathBuf,
    /// The user that the server runs as, by number or name; needs root for another than oneself
    /// [default: sandbox.server_user when started as root]
    #[arg(long, value_name = "USER")]
    as_user: Option<String>,
    /// One JSON object: {"ok":…,"user":…,"errors":[…],"warnings":[…]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ConfigReport<'e> {
    ok: bool,
    /// The user whose permissions were looked at.
    user: u32,
    errors: Vec<ErrorItem<'e>>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

#[derive(Serialize)]
struct ErrorItem<'e> {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingReport<'e>>,
}

/// The mistakes and remarks of one check.
#[derive(Default)]
struct Findings {
    errors: Vec<Box<dyn Error>>,
    lints: Vec<PolicyError>,
    warnings: Vec<String>,
    summary: Option<String>,
}

/// A file that the server cannot use once it is no longer root.
#[derive(Debug)]
struct NotPermitted {
    path: PathBuf,
    user: u32,
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, user) = (self.path.display(), self.user);
        write!(
            f,
            "user {user}, who the server is then, cannot {} {path}: {}\n  fix: give it to that user or its group",
            self.what, self.error
        )
    }
}

impl Error for NotPermitted {}

impl ConfigCommand {
    /// Runs the sub-command.
    pub fn run(self) -> ExitCode {
        match self {
            Self::Check(check) => {
                let format = AnswerForm::of(check.json);
                ended(check.run(), format, UNUSABLE)
            }
            Self::Schema => {
                let printed = serde_json::to_string_pretty(&schema())
                    .map_err(io::Error::from)
                    .and_then(|schema| writeln!(io::stdout(), "{schema}"));
                let done = printed.map(|()| ExitCode::SUCCESS).map_err(Into::into);
                ended(done, AnswerForm::Text, UNUSABLE)
            }
        }
    }
}

impl CheckConfig {
    fn run(self) -> CommandEnd {
        let named = self.as_user.as_deref().map(user_called).transpose()?;
        let mut found = Findings::default();
        let options = Options {
            config: Some(self.file.clone()),
            ..Options::default()
        };
        match Settings::load(options) {
            // Without settings nothing is known of what they name.
            Err(errors) => {
                let errors = errors.0.into_iter().map(Into::into);
                found.errors.extend(errors);
            }
            Ok(settings) => {
                found.read_as_started(&settings);
                let user = named.unwrap_or(settings.sandbox.server_user);
                become_user(named.is_some(), user)?;
                found.look_as_server(&self.file, &settings);
            }
        }
        let ok = found.errors.is_empty();
        match self.json {
            true => print_json(&found.report())?,
            false => found.print(&self.file, &mut io::stdout().lock())?,
        }
        Ok(match ok {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(FOUND),
        })
    }
}

/// The number of a user.
fn user_called(name: &str) -> Result<u32, CodedError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) | Err(_) => Err(CodedError {
            code: "unknown_name",
            message: format!("there is no user {}", Excerpt::new(name)),
            advice: vec!["fix: give a name of /etc/passwd, or a number".into()],
        }),
    }
}

/// Becomes the server's user, as a server does that is started as root.
fn become_user(is_named: bool, user: u32) -> Result<(), CodedError> {
    let failed = |why: String| CodedError {
        code: "not_permitted",
        message: format!("this process cannot become user {user}: {why}"),
        advice: vec!["fix: run it as root, or as that user".into()],
    };
    if geteuid().is_root() {
        let assumed = Identity::new(user).assume();
        return assumed.map_err(|error| failed(error.to_string()));
    }
    match is_named && geteuid().as_raw() != user {
        true => Err(failed("it is not root".into())),
        false => Ok(()),
    }
}

impl Findings {
    /// Reads what a server reads before it drops root.
    fn read_as_started(&mut self, settings: &Settings) {
        match StartInputs::read(settings) {
            Err(StartErrors(errors)) => self.errors.extend(errors),
            Ok(inputs) => {
                self.lints.extend(inputs.policy.lints().cloned());
                let policies = settings.policy.iter();
                let names = policies.filter_map(|policy| Some(policy.texts().last()?.name.clone()));
                self.summary = Some(format!(
                    "listens on {}; {} callers, {} named clusters, policy {}",
                    settings.listen,
                    settings.callers.len(),
                    settings.clusters.len(),
                    names.collect::<Vec<_>>().join(" and ")
                ));
            }
        }
        let now = SystemTime::now();
        for caller in settings.callers.expired(now) {
            self.warnings.push(format!(
                "the token of `{caller}` has expired: `kube-airlock token new {caller}` makes another"
            ));
        }
        for (tool, path) in &settings.tools {
            if !path.exists() {
                let path = path.display();
                self.warnings
                    .push(format!("{tool} is not installed: there is no {path}"));
            }
        }
    }

    /// Looks at what it reads and writes afterwards, as the user that it is then.
    fn look_as_server(&mut self, file: &Path, settings: &Settings) {
        self.needs(read_settings(file).map(drop), file, "read");
        for path in &settings.policy_paths {
            // What was wrong for root too is said already.
            let readable = read_policies(std::slice::from_ref(path), ReadFor::Force).map(drop);
            let readable = readable.map_err(|error| io::Error::other(error.to_string()));
            self.needs(readable, path, "read");
        }
        for cluster in &settings.clusters {
            let again = Clusters::load(vec![cluster.clone()], settings.kubeconfig.clone());
            for error in again.err().into_iter().flatten() {
                self.add_new(error.into());
            }
        }
        let write = AccessFlags::W_OK | AccessFlags::X_OK;
        if let Some(audit) = &settings.audit.file {
            let folder = match audit.path.parent() {
                Some(folder) if folder != Path::new("") => folder,
                _ => Path::new("."),
            };
            self.needs(access(folder, write), folder, "make files in");
            if audit.path.exists() {
                let both = AccessFlags::R_OK | AccessFlags::W_OK;
                self.needs(access(&audit.path, both), &audit.path, "write to");
            }
        }
        if let Some(folder) = settings
            .work_dir
            .as_deref()
            .filter(|folder| !folder.is_dir())
        {
            let missing = Err(io::ErrorKind::NotADirectory.into());
            self.needs(missing, folder, "make files in");
        }
    }

    fn needs(&mut self, done: io::Result<()>, path: &Path, what: &'static str) {
        if let Err(error) = done {
            self.add_new(Box::new(NotPermitted {
                path: path.to_owned(),
                user: geteuid().as_raw(),
                what,
                error,
            }));
        }
    }

    /// Adds an error that was not one for root.
    fn add_new(&mut self, error: Box<dyn Error>) {
        let text = error.to_string();
        if self.errors.iter().all(|known| known.to_string() != text) {
            self.errors.push(error);
        }
    }

    fn report(&self) -> ConfigReport<'_> {
        let lints = self.lints.iter().map(ToString::to_string);
        let errors = self.errors.iter().map(|error| ErrorItem {
            code: code(&**error),
            message: error.to_string(),
            findings: findings(&**error),
        });
        ConfigReport {
            ok: self.errors.is_empty(),
            user: geteuid().as_raw(),
            errors: errors.collect(),
            warnings: lints.chain(self.warnings.iter().cloned()).collect(),
            summary: self.summary.clone(),
        }
    }

    fn print(&self, file: &Path, out: &mut impl Write) -> io::Result<()> {
        for lint in &self.lints {
            writeln!(out, "{}", lint.underlined(Finding::PolicyLint))?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for error in &self.errors {
            writeln!(out, "{}", for_a_person(&**error))?;
        }
        let (file, user) = (file.display(), geteuid());
        match self.errors.len() {
            0 => {
                writeln!(out, "{file}: ok for a server that is user {user}")?;
                let summary = self.summary.iter();
                summary
                    .clone()
                    .try_for_each(|text| writeln!(out, "  {text}"))
            }
            wrong => writeln!(
                out,
                "{file}: {wrong} mistakes; a server would not start, or not take changes"
            ),
        }
    }
}

/// Asks the kernel whether this process may do that, by its present user.
fn access(path: &Path, mode: AccessFlags) -> io::Result<()> {
    Ok(faccessat(AT_FDCWD, path, mode, AtFlags::AT_EACCESS)?)
}
