//! `kube-airlock calls`, `lock` and `unlock`: an operator's questions to a server on this host.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::operator::{DEFAULT_SOCKET, OperatorAnswer, OperatorRequest, ask};

/// How to reach the server.
#[derive(Args, Debug)]
pub struct ServerSocket {
    /// The socket of the server: `[operator] socket` in its settings
    #[arg(long, env = "AIRLOCK_OPERATOR_SOCKET", default_value = DEFAULT_SOCKET, value_name = "PATH")]
    socket: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Everybody's calls.
#[derive(Debug, Subcommand)]
pub enum Calls {
    /// List the calls that wait or run, of every principal
    List {
        #[command(flatten)]
        reach: ServerSocket,
    },
    /// End a call; whoever waits for it gets what it printed, and `ended_by_operator`
    End {
        /// Its id, of the list, a record or the log
        request_id: String,
        #[command(flatten)]
        reach: ServerSocket,
    },
}

/// Lock a principal: its calls end, and what it sends is refused until `unlock` or a restart.
#[derive(Args, Debug)]
pub struct LockPrincipal {
    /// The principal of a [[caller]] table; `anonymous` where there are none
    #[arg(required_unless_present = "list")]
    principal: Option<String>,
    /// Why, for the audit; callers are not told
    #[arg(long, conflicts_with = "list")]
    reason: Option<String>,
    /// List the principals that are locked
    #[arg(long, conflicts_with = "principal")]
    list: bool,
    #[command(flatten)]
    reach: ServerSocket,
}

/// Unlock a principal.
#[derive(Args, Debug)]
pub struct UnlockPrincipal {
    /// The principal
    principal: String,
    #[command(flatten)]
    reach: ServerSocket,
}

impl Calls {
    /// Asks, and prints what came of it.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::List { reach } => reach.told(&OperatorRequest::Calls),
            Self::End { request_id, reach } => reach.told(&OperatorRequest::End { request_id }),
        }
    }
}

impl LockPrincipal {
    /// Asks, and prints what came of it.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let reason = self.reason;
        let request = match self.principal {
            Some(principal) => OperatorRequest::Lock { principal, reason },
            None => OperatorRequest::Locks,
        };
        self.reach.told(&request)
    }
}

impl UnlockPrincipal {
    /// Asks, and prints what came of it.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let principal = self.principal;
        self.reach.told(&OperatorRequest::Unlock { principal })
    }
}

impl ServerSocket {
    fn told(&self, request: &OperatorRequest) -> Result<(), Box<dyn Error>> {
        let answer = ask(&self.socket, request)?;
        if let (false, OperatorAnswer::Refused { reason, hint }) = (self.json, &answer) {
            return Err(format!("{reason}\n  fix:    {hint}").into());
        }
        let mut out = io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string(&answer)?)?,
            false => out.write_all(text(&answer).as_bytes())?,
        }
        match answer {
            OperatorAnswer::Refused { reason, .. } => Err(reason.into()),
            _ => Ok(()),
        }
    }
}

/// An answer for a person.
fn text(answer: &OperatorAnswer) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}"); // to a string, which does not fail
    };
    match answer {
        OperatorAnswer::Calls { calls } => {
            line(format!(
                "{:36}  {:20}  {:8}  {:7}  FOR",
                "REQUEST", "PRINCIPAL", "TOOL", "STATE"
            ));
            for call in calls {
                let age = Duration::from_secs(call.for_ms / 1000);
                line(format!(
                    "{:36}  {:20}  {:8}  {:7}  {}",
                    call.request_id,
                    call.principal,
                    call.tool,
                    call.state,
                    humantime::format_duration(age)
                ));
            }
        }
        OperatorAnswer::Locks { locks } => {
            line(format!("{:20}  {:20}  REASON", "PRINCIPAL", "SINCE"));
            for lock in locks {
                let reason = lock.reason.as_deref().unwrap_or("-");
                line(format!(
                    "{:20}  {:20}  {reason}",
                    lock.principal, lock.since
                ));
            }
        }
        OperatorAnswer::Ending {
            request_id,
            principal,
        } => line(format!("the call {request_id} of {principal} is ending")),
        OperatorAnswer::Locked { principal, ended } => line(format!(
            "{principal} is locked until `kube-airlock unlock {principal}` or a restart of the server; {ended} of its calls are ending\n  to keep it out for good, take its [[caller]] table out of the settings"
        )),
        OperatorAnswer::Unlocked { principal } => line(format!("{principal} may call again")),
        OperatorAnswer::Refused { reason, hint } => line(format!("{reason}; {hint}")),
    }
    text
}
