//! kube-airlock: lets untrusted agents run kubectl, helm, istioctl and argocd, and nothing else.
//!
//! The rooms, in the order to read them in: each uses only rooms above it (`tests/rooms.rs` holds
//! that), so that a request enters at the bottom. `docs/design.md` says what each takes, gives and
//! may not do.

pub mod advice;
pub mod code;
pub mod excerpt;
pub mod glob;
pub mod nearest;
pub mod mistake;
pub mod memory;
pub mod schema;
pub mod secret;
pub mod trusted;
pub mod data;
pub mod unit;
pub mod yaml;

pub mod identity;
pub mod endpoint;
pub mod api_request;

pub mod tool;
pub mod catalogue;
pub mod manifest;
pub mod conditions;
pub mod command;
pub mod kubeconfig;
pub mod argocd;
pub mod policy;
pub mod api;
pub mod metrics;
pub mod audit;
pub mod store;

pub mod egress;
pub mod workspace;
pub mod clusters;
pub mod sandbox;
pub mod output;
pub mod inventory;

pub mod refusal;
pub mod warm;
pub mod discovery;
pub mod customs;
pub mod gate;

pub mod operator;
pub mod mcp;
pub mod http;
pub mod config;
pub mod cli;

#[doc(hidden)]
pub mod fuzzing;
