//! What a tool asks of the Kubernetes API, and whether the approved command explains it.
//!
//! Comes in: requests of a tool, of which no byte is trusted, and the approved invocation. Goes out:
//! what a request is, and a decision. May not hold a credential, resolve or send anything.
//!
//! What each verb may ask is in `policy/catalogue/<tool>.api.toml`; `docs/api.md` says how to read it.

#![forbid(unsafe_code)]

mod ask;
mod authority;
mod compile;
mod condition;
mod keys;
mod permit;
mod seen;
mod selector;
mod sentence;
mod table;
mod wording;

pub use authority::{Authority, Unexplained};
pub use sentence::Sentence;
pub use table::ApiTable;

pub use crate::api_request::{ApiPath, ApiRequest, ApiVerb, KubeletPath, Odd, Query, ResourcePath};
