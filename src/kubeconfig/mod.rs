//! Untrusted bytes -> a kubeconfig that we wrote from what we understood.
//!
//! Comes in: the caller's text. Goes out: a [`Kubeconfig`] with one cluster, one user and one
//! context, and the [`Endpoint`](crate::endpoint::Endpoint) it points to. Pure; may not keep a byte
//! of the caller's text. A kubeconfig is a program (it can run commands, read files, redirect
//! traffic and impersonate), so every key that this room does not know is refused, in every cluster
//! and user of the file, chosen or not.

#![forbid(unsafe_code)]

mod allowances;
mod base64;
mod canonical;
mod certificate;
mod credential;
mod document;
mod error;
mod fields;
mod outline;
mod remedy;
mod render;
mod schema;
mod settings;
mod transport;
#[cfg(test)]
mod tests;

pub use allowances::{Allowances, Impersonation, TokenSource};
pub use base64::decode;
pub use canonical::Kubeconfig;
pub use certificate::CertificateAuthority;
pub use credential::is_token;
pub use error::KubeconfigError;
pub use outline::Outline;
pub use render::Rendered;
pub use settings::AllowancesTable;
pub use transport::{Transport, TransportError};
