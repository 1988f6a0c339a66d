//! `kube-airlock policy check FILE…`

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use super::reload::known;
use super::report::{AnswerForm, CommandEnd, FOUND, print_json};
use crate::{
    catalogue::Catalogue,
    clusters::Clusters,
    config::{Options, ReadFor, Settings, read_policies},
    mistake::{Finding, FindingReport},
    policy::{
        Considered, Examined, Explainer, Known, PolicyError, PolicyErrors, PolicySource, Target,
    },
};

/// Load policy files, with what they include, and run their examples and tests.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 when all load, 1 when one does not, 2 when nothing could be checked.

Examples:
  kube-airlock policy check team-web.toml
  kube-airlock policy check --short *.toml       # FILE:LINE:COLUMN: MESSAGE, for editors
  kube-airlock policy check --json team-web.toml | jq '.files[].findings[]'")]
pub struct CheckPolicy {
    /// The files, or builtin:NAME
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One line per problem, FILE:LINE:COLUMN: MESSAGE, for editors and scripts
    #[arg(long)]
    short: bool,
    /// One JSON object: {"ok":…,"files":[{"file":…,"ok":…,"findings":[…]}]}
    #[arg(long, conflicts_with = "short")]
    json: bool,
    /// The server's settings: callers and clusters that they do not know are mistakes too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A mistake at one place, and what the rules near a failed test say.
struct CheckedPlace {
    error: PolicyError,
    finding: Finding,
    near: Vec<Considered>,
}

/// One file, checked.
struct CheckedFile<'p> {
    path: &'p Path,
    /// The reason why it is not even a text.
    unread: Option<String>,
    found: Vec<CheckedPlace>,
    /// Its contents in numbers, when it loads.
    loaded: Option<Loaded>,
}

#[derive(Serialize)]
struct Loaded {
    includes: Vec<String>,
    rules: usize,
    /// Those of them that ask a person first.
    asking: usize,
    examples: usize,
}

#[derive(Serialize)]
struct PoliciesReport<'f> {
    ok: bool,
    files: Vec<FileReport<'f>>,
}

#[derive(Serialize)]
struct FileReport<'f> {
    file: &'f Path,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<&'f str>,
    #[serde(flatten)]
    loaded: Option<&'f Loaded>,
    findings: Vec<NearReport<'f>>,
}

#[derive(Serialize)]
struct NearReport<'f> {
    #[serde(flatten)]
    finding: FindingReport<'f>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    near: &'f [Considered],
}

impl CheckPolicy {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Loads each file by itself, and shows what is wrong or hardly meant in any of them.
    pub fn run(self) -> CommandEnd {
        let known = self.config.as_deref().map(known_to).transpose()?;
        let files = self.files.iter();
        let files = files.map(|path| checked(path, known.as_ref()));
        let files: Vec<CheckedFile<'_>> = files.collect::<Result<_, _>>()?;
        if self.json {
            print_json(&PoliciesReport {
                ok: files.iter().all(CheckedFile::is_ok),
                files: files.iter().map(CheckedFile::report).collect(),
            })?;
        } else {
            let mut out = io::stdout().lock();
            for file in &files {
                file.print(&mut out, self.short)?;
            }
        }
        let wrong = files.iter().filter(|file| !file.is_ok()).count();
        if wrong == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if !self.json {
            let all = files.len();
            writeln!(io::stderr(), "error: {wrong} of {all} files do not load")?;
        }
        Ok(ExitCode::from(FOUND))
    }
}

/// What the settings in this file know.
fn known_to(config: &Path) -> Result<Known, Box<dyn Error>> {
    let settings = Settings::load(Options {
        config: Some(config.to_owned()),
        // The policies that it names are not the ones in question.
        policy: vec!["builtin:read-only".into()],
        ..Options::default()
    })?;
    let clusters = Clusters::load(settings.clusters, settings.kubeconfig.clone());
    let clusters = clusters.map_err(|errors| {
        let errors = errors.iter().map(ToString::to_string);
        errors.collect::<Vec<_>>().join("\n")
    })?;
    Ok(known(&settings.callers, &clusters, &settings.kubeconfig))
}

/// Loads one file.
///
/// # Errors
/// The server's own catalogues cannot be read.
fn checked<'p>(path: &'p Path, known: Option<&Known>) -> Result<CheckedFile<'p>, Box<dyn Error>> {
    let mut file = CheckedFile {
        path,
        unread: None,
        found: Vec::new(),
        loaded: None,
    };
    let sources = match read_policies(&[path.to_owned()], ReadFor::Look) {
        Ok(sources) => sources,
        Err(error) => {
            file.unread = Some(error.to_string());
            return Ok(file);
        }
    };
    let plain = |error, finding| CheckedPlace {
        error,
        finding,
        near: Vec::new(),
    };
    match Explainer::examine(&sources, Catalogue::carried()?, Target::default(), known) {
        Err(PolicyErrors(errors)) => {
            let errors = errors.into_iter();
            file.found = errors
                .map(|error| plain(error, Finding::PolicyInvalid))
                .collect();
        }
        Ok(Examined {
            explainer,
            failures,
        }) => {
            if failures.is_empty() {
                let included = sources.iter().flat_map(PolicySource::included);
                file.loaded = Some(Loaded {
                    includes: included.map(str::to_owned).collect(),
                    rules: explainer.rules(),
                    asking: explainer.asking_rules(),
                    examples: explainer.examples(),
                });
                let lints = explainer.lints().cloned();
                file.found = lints.map(|lint| plain(lint, Finding::PolicyLint)).collect();
            }
            file.found
                .extend(failures.into_iter().map(|failure| CheckedPlace {
                    error: failure.error,
                    finding: Finding::PolicyInvalid,
                    near: failure.near,
                }));
        }
    }
    Ok(file)
}

impl CheckedFile<'_> {
    fn is_ok(&self) -> bool {
        self.loaded.is_some()
    }

    fn print(&self, out: &mut impl Write, short: bool) -> io::Result<()> {
        if let Some(unread) = &self.unread {
            writeln!(out, "error: {unread}")?;
        }
        for CheckedPlace {
            error,
            finding,
            near,
        } in &self.found
        {
            match (short, finding) {
                (true, Finding::PolicyLint) => writeln!(out, "warning: {error}")?,
                (true, _) => writeln!(out, "error: {error}")?,
                (false, _) => writeln!(out, "{}", error.underlined(*finding))?,
            }
            if !short && !near.is_empty() {
                writeln!(out, "  the rules about its verb:")?;
                for rule in near {
                    writeln!(out, "    {rule}")?;
                }
            }
        }
        if let Some(loaded) = &self.loaded {
            writeln!(out, "{}: ok{}", self.path.display(), loaded.summary())?;
        }
        Ok(())
    }

    fn report(&self) -> FileReport<'_> {
        FileReport {
            file: self.path,
            ok: self.is_ok(),
            unread: self.unread.as_deref(),
            loaded: self.loaded.as_ref(),
            findings: self
                .found
                .iter()
                .map(|found| NearReport {
                    finding: found.error.report(found.finding),
                    near: &found.near,
                })
                .collect(),
        }
    }
}

impl Loaded {
    /// Says what a policy comes to that includes others, and which of its rules cannot work yet.
    fn summary(&self) -> String {
        let Self {
            includes,
            rules,
            asking,
            examples,
        } = self;
        let mut summary = match includes.is_empty() {
            true => String::new(),
            false => format!(
                ", with {}: {rules} rules, {examples} examples and tests",
                includes.join(" and ")
            ),
        };
        if *asking > 0 {
            summary += &format!(
                "; {asking} rules ask a person, which no door can yet: what they match is refused"
            );
        }
        summary
    }
}
