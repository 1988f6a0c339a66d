//! What a tool asks of the Kubernetes API, and whether the approved command explains it.
//!
//! Comes in: requests of a tool, of which no byte is trusted, and the approved invocation. Goes out:
//! what a request is, and a decision. May not hold a credential, resolve or send anything.

#![forbid(unsafe_code)]

pub use crate::api_request::{ApiPath, ApiRequest, ApiVerb, KubeletPath, Odd, Query, ResourcePath};
