//! Every room's error under one roof, with its stable [`Code`] and what to do instead.
//!
//! A refusal is the caller's to fix and is shown in full. A fault is ours: the caller gets its code
//! and the request id, the log gets the cause.

#![forbid(unsafe_code)]

use std::{io, time::Duration};

pub use crate::code::Code;
use crate::{
    advice::Advice,
    argocd::ArgocdError,
    command::{CommandError, FilterError, WordsError},
    data::DataError,
    egress::EgressError,
    excerpt::Excerpt,
    identity::Unidentified,
    kubeconfig::{KubeconfigError, TransportError},
    manifest::ManifestError,
    policy::{Denied, Question},
    sandbox::SandboxError,
    store::StoreError,
    tool::Tool,
};

/// Why a request was not answered with a command's output.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not a usable Argo CD server and token.
    #[error(transparent)]
    Argocd(#[from] ArgocdError),
    /// The caller went away or cancelled.
    #[error("the call was cancelled")]
    Cancelled,
    /// Not a command of the tool.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Allowed once a person has said so, and nobody can be asked yet.
    #[error("{0}")]
    Unconfirmed(Question),
    /// What the request brings for its command to read is no such thing, or is not read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Denied by the policy.
    #[error("{}", .0.advice.reason)]
    Denied(Denied),
    /// The server may not be reached.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Not a filter, or not one that may run.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A request of the tool to the API that the command does not explain.
    #[error("the tool made an API request that the command does not explain, and was ended: {0}")]
    Api(String),
    /// More of the API than one call may ask.
    #[error("the call was ended: {0}")]
    Budget(String),
    /// A Host or Origin that may not call this server, or a header twice that names a caller.
    #[error("{}", .0.reason)]
    ForbiddenHost(Advice),
    /// Not an acceptable kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// A text that is no manifest, or one that can be read in two ways.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A method that the path does not take.
    #[error("this path does not take that method")]
    MethodNotAllowed,
    /// A path of nothing.
    #[error("there is nothing at this path")]
    NotFound,
    /// A command that needs a cluster, and no kubeconfig.
    #[error("the request has no kubeconfig")]
    NoKubeconfig,
    /// Nobody is known by the request's token.
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
    /// The request is malformed.
    #[error("{}", .0.reason)]
    Request(Advice),
    /// The request is too large.
    #[error("the request is larger than {limit} bytes")]
    RequestTooLarge {
        /// The most bytes that are accepted.
        limit: usize,
    },
    /// The sandbox could not be built.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Too much at once, too often, or nothing by that name.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The command did not end in time.
    #[error("the command did not end within {}", humantime::format_duration(*.after))]
    Timeout {
        /// Its deadline.
        after: Duration,
    },
    /// The command printed more than is read at all.
    #[error("the command printed more than {limit} bytes and was ended")]
    TooMuchOutput {
        /// The most bytes that are read.
        limit: u64,
    },
    /// The document that the command printed is larger than an answer may be.
    #[error(
        "the command printed one document of {bytes} bytes, and an answer may have {limit}: what is here is not all of it"
    )]
    HalfDocument {
        /// The document's bytes.
        bytes: u64,
        /// The most of an answer.
        limit: usize,
    },
    /// A program needed more memory than it may have.
    #[error("{program} needed more than its {} MiB of memory and was ended", .limit >> 20)]
    OutOfMemory {
        /// The program.
        program: &'static str,
        /// The most bytes that it may have.
        limit: u64,
    },
    /// The command printed as many lines as its rule lets it.
    #[error(
        "the command printed {limit} lines, which is as many as the rule allows, and was ended"
    )]
    TooManyLines {
        /// The most lines.
        limit: u64,
    },
    /// The caller's requests under way are as many as it may have, and leave the rest to others.
    #[error(
        "{own} of your requests are under way, which leaves as many to others as they may have"
    )]
    TooManyRequests {
        /// Those that are under way.
        own: usize,
    },
    /// Other requests hold as much memory as all together may.
    #[error("requests that are not answered yet hold as much memory as they may")]
    TooMuchAtOnce,
    /// A first message of a session that is larger than any client's.
    #[error("a message that opens a session has at most {limit} bytes")]
    SessionTooLarge {
        /// The most bytes that are accepted.
        limit: usize,
    },
    /// The session is one too many.
    #[error("there are too many sessions")]
    TooManySessions,
    /// The request's connection is one too many.
    #[error("there are too many connections")]
    TooManyConnections,
    /// The tool is not available.
    #[error("{}", .0.reason)]
    Tool(Advice),
    /// A kubeconfig that this server cannot use itself, as it does where API requests are judged.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A session of another caller.
    #[error("there is no such session of this caller")]
    UnknownSession,
    /// No such tool.
    #[error("there is no tool {0}")]
    UnknownTool(Excerpt),
    /// Not a list of words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// No directory for the request could be made, or no audit record written.
    #[error("{what}")]
    Fault {
        /// What could not be done.
        what: &'static str,
        /// Why, for the log.
        source: io::Error,
    },
}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Api(_) => Code::ApiDenied,
            Self::Budget(_) => Code::BudgetExceeded,
            Self::Cancelled => Code::Cancelled,
            Self::Command(_) | Self::Filter(_) | Self::Words(_) => Code::InvalidCommand,
            Self::Data(error) => error.code(),
            Self::Denied(_) => Code::PolicyDenied,
            Self::Unconfirmed(_) => Code::ConfirmationRequired,
            Self::Egress(_) => Code::EgressDenied,
            Self::Kubeconfig(_) | Self::NoKubeconfig | Self::Transport(_) => {
                Code::InvalidKubeconfig
            }
            Self::ForbiddenHost(_) => Code::ForbiddenHost,
            Self::Manifest(_) => Code::InvalidManifest,
            Self::MethodNotAllowed => Code::MethodNotAllowed,
            Self::NotFound | Self::UnknownSession => Code::NotFound,
            Self::TooManyConnections
            | Self::TooManyRequests { .. }
            | Self::TooManySessions
            | Self::TooMuchAtOnce => Code::Overloaded,
            Self::Store(error) => match error {
                StoreError::Overloaded { .. }
                | StoreError::OverloadedByCaller { .. }
                | StoreError::TooManyRunning { .. } => Code::Overloaded,
                StoreError::RateLimited { .. } | StoreError::TooMuchRecorded { .. } => {
                    Code::RateLimited
                }
                StoreError::RateOfRule { .. } => Code::RateLimited,
                StoreError::EndedByOperator => Code::EndedByOperator,
                StoreError::Locked => Code::PrincipalLocked,
                StoreError::Removed => Code::Unauthenticated,
                StoreError::UnknownCall => Code::UnknownCall,
                StoreError::UnknownOutput => Code::NotFound,
            },
            Self::Unidentified(_) => Code::Unauthenticated,
            Self::Argocd(_) | Self::Request(_) => Code::InvalidRequest,
            Self::RequestTooLarge { .. } | Self::SessionTooLarge { .. } => Code::RequestTooLarge,
            Self::Sandbox(SandboxError::NoTasks) => Code::Overloaded,
            Self::Sandbox(_) => Code::SandboxUnavailable,
            Self::OutOfMemory { .. } => Code::OutOfMemory,
            Self::Timeout { .. } => Code::Timeout,
            Self::HalfDocument { .. } | Self::TooMuchOutput { .. } | Self::TooManyLines { .. } => {
                Code::TooMuchOutput
            }
            Self::Tool(_) => Code::ToolUnavailable,
            Self::UnknownTool(_) => Code::UnknownTool,
            Self::Fault { .. } => Code::Internal,
        }
    }

    /// The rule of the policy that it comes from.
    pub fn rule(&self) -> Option<String> {
        match self {
            Self::Denied(denied) => denied.rule.as_ref().map(ToString::to_string),
            Self::Unconfirmed(question) => Some(question.rule.to_string()),
            _ => None,
        }
    }

    /// What to do instead, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Api(_) => "tell the operator the request id: either this tool does more than it is asked, or the table of what its verbs need lacks a line (docs/api.md)".into(),
            Self::Argocd(error) => error.help().into(),
            Self::Budget(_) => "what it did until then is in `effects`; ask for less at once: fewer names, a selector, one namespace".into(),
            Self::Cancelled => "call again if the answer is still wanted".into(),
            Self::Command(error) => error.help(),
            Self::Data(error) => error.help(),
            Self::Denied(denied) => denied.advice.hint.clone(),
            Self::Unconfirmed(question) => question.advice.hint.clone(),
            Self::Egress(error) => error.help(),
            Self::Filter(error) => error.help(),
            Self::Sandbox(SandboxError::NoTasks) => "call again in a second".into(),
            Self::Fault { .. } | Self::Sandbox(_) => {
                "this is not yours to fix: tell the operator the request id; `/tools/status` shows the state".into()
            }
            Self::Kubeconfig(error) => error.help(),
            Self::NoKubeconfig => "send `base64 -w0 < kubeconfig` in the header X-Kubeconfig, or in the field `kubeconfig`".into(),
            Self::Store(error) => error.help().into(),
            Self::Unidentified(_) => "send `Authorization: Bearer TOKEN`; the operator gives out tokens (`kube-airlock token new`)".into(),
            Self::ForbiddenHost(advice) | Self::Request(advice) | Self::Tool(advice) => {
                advice.hint.clone()
            }
            Self::Manifest(error) => error.help(),
            Self::MethodNotAllowed => {
                "the header Allow names those that it takes; POST /tools/kubectl runs a command".into()
            }
            Self::NotFound => {
                "POST /tools/kubectl runs a command; /docs describes the rest".into()
            }
            Self::SessionTooLarge { .. } => {
                "send `initialize` alone, with the client's name and version".into()
            }
            Self::TooManySessions => {
                "call again in half a minute: idle sessions end after five; the protocol of 2026-07-28 needs none".into()
            }
            Self::UnknownSession => "open one with `initialize`".into(),
            Self::RequestTooLarge { .. } => "send one command and one kubeconfig of one context".into(),
            Self::Timeout { .. } => "ask for less (-l, --field-selector, --tail), or give a longer `timeout`".into(),
            Self::HalfDocument { .. } => "take a part of it (| jq '.spec', -o jsonpath=…, another filter), raise max_output, or accept a stream, which has all of it".into(),
            Self::OutOfMemory { .. } => "ask for less: -l, --field-selector, one namespace, -o name or -o custom-columns; -o yaml and -o json of long lists need the most".into(),
            Self::TooManyLines { .. } => "this is what may be had at once; ask again for newer lines (--since, --since-time)".into(),
            Self::TooManyConnections => "use one connection for several calls, and close those that are idle".into(),
            Self::TooManyRequests { .. } => "wait for one of them to be answered, or end a stream that is open".into(),
            Self::TooMuchAtOnce => "call again in a second; a kubeconfig of one context is small (`kube-airlock kubeconfig minify`)".into(),
            Self::TooMuchOutput { .. } => "narrow the query: -l, --field-selector, -o name, --tail".into(),
            Self::Transport(_) => "send a kubeconfig with a token, or with a certificate and its key in PKCS#8, PKCS#1 or SEC1".into(),
            Self::UnknownTool(_) => format!("the tools are {}", Tool::names()),
            Self::Words(error) => error.help(),
        }
    }

    /// After how many seconds the same call may succeed.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyConnections
            | Self::TooManyRequests { .. }
            | Self::TooMuchAtOnce
            | Self::Sandbox(SandboxError::NoTasks) => Some(1),
            Self::TooManySessions => Some(30),
            Self::Store(error) => error.retry_after(),
            Self::Tool(_) => Some(30),
            _ => None,
        }
    }
}
