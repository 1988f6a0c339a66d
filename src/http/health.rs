//! `GET /health`, `/ready`, `/clusters` and `/tools/status`.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::compat::Compat;
use crate::{
    command::FilterProgram,
    egress::Judging,
    gate::{Confinement, Gate},
    identity::Caller,
    inventory::{Availability, FilterAvailability},
    tool::Tool,
};

/// Whether the server lives, or is ready.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// `ok`, or what is missing; `healthy` for clients of the original service (`[compat]`).
    status: String,
    /// This server's version; for clients of the original service alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

impl Status {
    fn of(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            version: None,
        }
    }
}

/// The state of every tool and of the sandbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolsStatus {
    /// By tool name: `state` and what belongs to it.
    #[schema(value_type = Object)]
    tools: BTreeMap<&'static str, ToolStatus>,
    /// By program: `state` and what belongs to it. What stands behind a `|` is one of them; grep,
    /// sed and the like are busybox.
    #[schema(value_type = Object)]
    filters: BTreeMap<&'static str, FilterStatus>,
    /// The layers of every child on this host.
    sandbox: Confinement,
}

/// The state of one filter's program.
#[derive(Debug, Serialize)]
pub struct FilterStatus {
    #[serde(flatten)]
    availability: FilterAvailability,
    /// Why calls are refused, when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What changes that.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The state of one tool.
#[derive(Debug, Serialize)]
pub struct ToolStatus {
    #[serde(flatten)]
    availability: Availability,
    /// How many are started, confined, and wait for a call.
    warm: usize,
    /// Whether its requests of the Kubernetes API are judged: `require`, `prefer` or `off`. None for
    /// a tool that makes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Judging>,
    /// Why calls are refused, when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What changes that.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The process lives.
#[utoipa::path(get, path = "/health", operation_id = "health", responses((status = 200, description = "The server answers", body = Status)))]
pub(super) async fn health(compat: Option<Compat>) -> Json<Status> {
    Json(match compat {
        None => Status::of("ok"),
        Some(Compat) => Status {
            version: Some(env!("CARGO_PKG_VERSION")),
            ..Status::of("healthy")
        },
    })
}

/// Calls of kubectl run, and are recorded.
#[utoipa::path(get, path = "/ready", operation_id = "ready", responses((status = 200, description = "Calls run", body = Status), (status = 503, description = "They do not, and why", body = Status)))]
pub async fn ready(State(gate): State<Gate>) -> (StatusCode, Json<Status>) {
    match gate.missing() {
        None => (StatusCode::OK, Json(Status::of("ok"))),
        Some(status) => (StatusCode::SERVICE_UNAVAILABLE, Json(Status::of(status))),
    }
}

/// The clusters that the operator has named.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClusterNames {
    /// Those that the caller may name in `cluster`.
    clusters: Vec<String>,
}

/// The clusters that this caller may name instead of sending a kubeconfig.
#[utoipa::path(get, path = "/clusters", operation_id = "clusters", responses((status = 200, description = "The clusters that the caller may name", body = ClusterNames)))]
pub async fn clusters(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
) -> Json<ClusterNames> {
    Json(ClusterNames {
        clusters: gate.clusters(&caller),
    })
}

/// What each tool's state is, and the layers that confine its children.
#[utoipa::path(get, path = "/tools/status", operation_id = "tools_status", responses((status = 200, description = "The state of each tool and filter", body = ToolsStatus)))]
pub async fn tools(State(gate): State<Gate>) -> Json<ToolsStatus> {
    let status = |tool| {
        let availability = gate.inventory().availability(tool);
        let refused = availability.refusal(tool);
        let (reason, hint) = refused
            .map(|refused| (refused.reason, refused.hint))
            .unzip();
        (
            tool.as_str(),
            ToolStatus {
                availability,
                warm: gate.warm().waiting(tool),
                api: gate.judging(tool),
                reason,
                hint,
            },
        )
    };
    let filter = |program: FilterProgram| {
        let availability = gate.inventory().filter(program);
        let refused = availability.refusal(program, program.as_str());
        let (reason, hint) = refused
            .map(|refused| (refused.reason, refused.hint))
            .unzip();
        (
            program.as_str(),
            FilterStatus {
                availability,
                reason,
                hint,
            },
        )
    };
    let filters = FilterProgram::ALL.into_iter().map(filter).collect();
    Json(ToolsStatus {
        tools: Tool::all().map(status).collect(),
        filters,
        sandbox: Confinement::of(&gate.sandbox().layers()),
    })
}
