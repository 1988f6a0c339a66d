//! The stable names of refusals: what clients match on, and what records and metrics hold.
//!
//! Only names: which refusal has which is decided in `refusal`, in one match.
//!
//! Held by `http::openapi`, whose document lists them, and by the match in `refusal`.

#![forbid(unsafe_code)]

use serde::Serialize;

/// The stable name of a kind of refusal. Clients may match on it; it never changes its meaning.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The tool made an API request that its command does not explain.
    ApiDenied,
    /// The call asked more of its API server than it may: requests, bytes or objects.
    BudgetExceeded,
    /// The caller ended the call.
    Cancelled,
    /// The policy allows the command once a person has said so.
    ConfirmationRequired,
    /// The request brings more for its command to read than it may.
    DataTooLarge,
    /// The kubeconfig's server may not be reached from here.
    EgressDenied,
    /// The operator has ended the call.
    EndedByOperator,
    /// The request's Host or Origin may not call this server.
    ForbiddenHost,
    /// The command line is not one of the tool's.
    InvalidCommand,
    /// What the request brings for its command to read is not acceptable, or the command does not
    /// read it.
    InvalidData,
    /// The kubeconfig is not acceptable.
    InvalidKubeconfig,
    /// A text that should be a manifest is none, or can be read in two ways.
    InvalidManifest,
    /// The request itself is malformed.
    InvalidRequest,
    /// A fault of this server.
    Internal,
    /// The path does not take that method.
    MethodNotAllowed,
    /// There is nothing at that path, no such session, or no such kept output.
    NotFound,
    /// A program of the command needed more memory than it may have.
    OutOfMemory,
    /// Too many calls at once.
    Overloaded,
    /// The policy does not allow the command.
    PolicyDenied,
    /// The operator has locked the principal.
    PrincipalLocked,
    /// The request is larger than is accepted.
    RequestTooLarge,
    /// The caller calls too often.
    RateLimited,
    /// A layer of the sandbox could not be applied.
    SandboxUnavailable,
    /// The command did not end in time.
    Timeout,
    /// The command printed more than is read, than its rule lets it, or than an answer may have of
    /// one document.
    TooMuchOutput,
    /// The tool is not here, not yet, or not enabled.
    ToolUnavailable,
    /// The caller is not known.
    Unauthenticated,
    /// There is no such call under way.
    UnknownCall,
    /// There is no such tool.
    UnknownTool,
}

impl Code {
    /// Every code, for documents and their tests.
    pub const ALL: [Self; 29] = [
        Self::ApiDenied,
        Self::BudgetExceeded,
        Self::Cancelled,
        Self::ConfirmationRequired,
        Self::DataTooLarge,
        Self::EgressDenied,
        Self::EndedByOperator,
        Self::ForbiddenHost,
        Self::InvalidCommand,
        Self::InvalidData,
        Self::InvalidKubeconfig,
        Self::InvalidManifest,
        Self::InvalidRequest,
        Self::Internal,
        Self::MethodNotAllowed,
        Self::NotFound,
        Self::OutOfMemory,
        Self::Overloaded,
        Self::PolicyDenied,
        Self::PrincipalLocked,
        Self::RequestTooLarge,
        Self::RateLimited,
        Self::SandboxUnavailable,
        Self::Timeout,
        Self::TooMuchOutput,
        Self::ToolUnavailable,
        Self::Unauthenticated,
        Self::UnknownCall,
        Self::UnknownTool,
    ];

    /// The code's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiDenied => "api_denied",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Cancelled => "cancelled",
            Self::ConfirmationRequired => "confirmation_required",
            Self::DataTooLarge => "data_too_large",
            Self::EgressDenied => "egress_denied",
            Self::EndedByOperator => "ended_by_operator",
            Self::ForbiddenHost => "forbidden_host",
            Self::InvalidCommand => "invalid_command",
            Self::InvalidData => "invalid_data",
            Self::InvalidKubeconfig => "invalid_kubeconfig",
            Self::InvalidManifest => "invalid_manifest",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotFound => "not_found",
            Self::OutOfMemory => "out_of_memory",
            Self::Overloaded => "overloaded",
            Self::PolicyDenied => "policy_denied",
            Self::PrincipalLocked => "principal_locked",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimited => "rate_limited",
            Self::SandboxUnavailable => "sandbox_unavailable",
            Self::Timeout => "timeout",
            Self::TooMuchOutput => "too_much_output",
            Self::ToolUnavailable => "tool_unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::UnknownCall => "unknown_call",
            Self::UnknownTool => "unknown_tool",
        }
    }
}
