//! `kube-airlock trace`: runs a program unconfined and prints what it asks of the kernel beyond a
//! profile.

use std::{
    error::Error,
    ffi::OsString,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    excerpt::Excerpt,
    sandbox::{Beyond, BeyondFile, ExitStatus, ProfileName, TraceReport, Tracing, Unused},
};

/// The exit status of a `trace` that cannot trace, as env(1) and timeout(1) do.
pub const FAILED: u8 = 125;

/// Options of `trace`.
#[derive(Args, Debug)]
#[command(
    long_about = "Run a program UNCONFINED and print what it asks of the kernel beyond a profile of the sandbox

For whoever changes a profile: run what a tool must be able to do, and see what its profile would refuse. The program runs as you, \
with your files and your network. One seccomp filter, made from the profile, asks about each call that the profile does not let \
through; the call is counted, and then the kernel runs it.",
    after_help = "What is printed:
  1. Calls beyond the profile, and what a child gets instead: an error, `success` (reported as done, and not done) or `killed`. \
`no entry`: no line of the profile names the call. `entry`: one does, and refuses these arguments. Arguments stand as a `[[when]]` \
of policy/sandbox/*.toml wants them.
  2. Files that were opened beyond the profile. What is read below $HOME and in $KUBECONFIG is only counted: in the sandbox both \
are the request's own. Names that other calls have (link, rename, stat) are not looked at.
  3. With --all, what of the profile this run did not need; another verb, or a slower server, may.

What is refused in the sandbox may lead a program another way, with calls that are not seen here: after a change, run the tests \
and `kube-airlock doctor`. Connections are made as dialled; in the sandbox the server answers them.

The exit status is the program's (128 + n when a signal ended it), and 125 when it could not be traced.

Examples:
  kube-airlock trace plain -- kubectl get pods
  kube-airlock trace listener-inet --all -- istioctl proxy-config listeners web-0 -n shop
  kube-airlock trace offline --json --output trace.json -- helm version"
)]
pub struct Trace {
    /// The profile to compare with, by the name of its file in policy/sandbox/
    #[arg(value_parser = PossibleValuesParser::new(ProfileName::ALL.map(ProfileName::as_str)).map(named))]
    profile: ProfileName,
    /// Ask about every call, allowed ones too, and print what of the profile was not used
    #[arg(long)]
    all: bool,
    /// Print one JSON object: {"profile":…,"status":…,"beyond":[…],"files":[…]}
    #[arg(long)]
    json: bool,
    /// Write to this file [default: standard error, behind what the program writes there]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The most argument lists to keep per call, and the most files
    #[arg(long, value_name = "N", default_value_t = 16)]
    most: usize,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

fn named(name: String) -> ProfileName {
    // The parser has let only these through.
    ProfileName::ALL
        .into_iter()
        .find(|profile| profile.as_str() == name)
        .unwrap_or(ProfileName::Plain)
}

impl Trace {
    /// Runs it, and gives the program's exit status. The process must have one thread.
    pub fn run(self) -> Result<u8, Box<dyn Error>> {
        let Self {
            profile,
            all,
            json,
            output,
            most,
            command,
        } = self;
        let shown = command
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ");
        // Before the program runs: a long run must not end without its report.
        let mut out: Box<dyn Write> = match output {
            Some(path) => Box::new(
                File::create(&path)
                    .map_err(|error| format!("{} cannot be written: {error}", path.display()))?,
            ),
            None => Box::new(io::stderr().lock()),
        };
        let trace = Tracing {
            profile,
            command,
            all,
            most,
        }
        .run()?;
        if json {
            serde_json::to_writer(&mut out, &trace)?;
            writeln!(out)?;
        } else {
            print(&mut out, &shown, &trace)?;
        }
        Ok(u8::try_from(trace.status.code()).unwrap_or(FAILED))
    }
}

fn print(out: &mut dyn Write, command: &str, trace: &TraceReport) -> io::Result<()> {
    let ended = match trace.status {
        ExitStatus::Code(code) => format!("exited with {code}"),
        ExitStatus::Signal(libc::SIGSYS) => {
            "was killed by SIGSYS: it made a call of another architecture (32 bits, x32), as no profile lets it".to_owned()
        }
        ExitStatus::Signal(signal) => format!("was ended by signal {signal}"),
    };
    writeln!(
        out,
        "\ntrace {}: {} {ended}",
        trace.profile.as_str(),
        Excerpt::new(command)
    )?;
    if trace.still_running {
        writeln!(
            out,
            "note: something that it started is still running; what that asks from now on fails, and is not counted"
        )?;
    }
    print_calls(out, &trace.beyond)?;
    print_files(out, trace)?;
    if let Some(Unused {
        calls,
        conditions,
        files,
    }) = &trace.unused
    {
        writeln!(
            out,
            "\nunused entries of the profile: {}",
            calls.len() + conditions.len() + files.len()
        )?;
        if !calls.is_empty() {
            writeln!(out, "  always allowed: {}", calls.join(", "))?;
        }
        conditions
            .iter()
            .try_for_each(|condition| writeln!(out, "  when  {condition}"))?;
        files
            .iter()
            .try_for_each(|file| writeln!(out, "  read  {}", file.display()))?;
    }
    Ok(())
}

fn print_calls(out: &mut dyn Write, beyond: &[Beyond]) -> io::Result<()> {
    if beyond.is_empty() {
        return writeln!(out, "\ncalls beyond the profile: none");
    }
    writeln!(out, "\ncalls beyond the profile: {}", beyond.len())?;
    writeln!(
        out,
        "  {:<20} {:>7}  {:<23} arguments",
        "call", "count", "in the sandbox"
    )?;
    for Beyond {
        call,
        count,
        becomes,
        entry,
        arguments,
        more,
    } in beyond
    {
        let becomes = format!("{becomes}, {}", if *entry { "entry" } else { "no entry" });
        write!(out, "  {call:<20} {count:>7}  {becomes:<23} ")?;
        let more = (*more > 0).then(|| format!("and {more} with others"));
        let told = arguments
            .iter()
            .filter(|seen| !seen.condition.is_empty())
            .map(|seen| match seen.count {
                1 => seen.condition.clone(),
                count => format!("{} ({count})", seen.condition),
            });
        let told: Vec<String> = told.chain(more).collect();
        writeln!(out, "{}", told.join(&format!("\n{:56}", "")))?;
    }
    Ok(())
}

fn print_files(out: &mut dyn Write, trace: &TraceReport) -> io::Result<()> {
    let TraceReport {
        files,
        more_files,
        own_files,
        unread_files,
        ..
    } = trace;
    writeln!(
        out,
        "\nfiles beyond the profile: {}",
        if files.is_empty() {
            "none".to_owned()
        } else {
            files.len().to_string()
        }
    )?;
    for BeyondFile {
        path,
        write,
        count,
        exists,
    } in files
    {
        let access = if *write { "write" } else { "read" };
        let absent = if *exists { "" } else { "  (not there)" };
        writeln!(out, "  {access:<5} {count:>7}  {}{absent}", path.display())?;
    }
    for (count, what) in [
        (more_files, "opened besides; --most shows more"),
        (
            own_files,
            "read below $HOME or in $KUBECONFIG, which are the request's own in the sandbox",
        ),
        (
            unread_files,
            "opened by names that could not be read: ptrace(2) of this program is not permitted here",
        ),
    ] {
        if *count > 0 {
            writeln!(out, "  {count:>13}  {what}")?;
        }
    }
    Ok(())
}
