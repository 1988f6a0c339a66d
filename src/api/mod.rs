//! What a tool asks of the Kubernetes API, and whether the approved command explains it.
//!
//! Comes in: requests of a tool, of which no byte is trusted, and the approved invocation. Goes out:
//! what a request is, a decision, and what was done. May not hold a credential, resolve or send
//! anything.
//!
//! What each verb may ask is in `policy/catalogue/<tool>.api.toml`; `docs/api.md` says how to read it.

#![forbid(unsafe_code)]

mod answer;
mod ask;
mod authority;
mod body;
mod change;
mod compile;
mod condition;
mod edit;
mod effect;
mod json;
mod kept;
mod keys;
mod permit;
mod protobuf;
mod release;
mod secrets;
mod seen;
mod selector;
mod sentence;
mod table;
mod walk;
mod wording;
mod writing;

pub use authority::{Authority, Unexplained};
pub use body::{BodyError, BodyFacts};
pub use effect::{ApiWrite, Effects};
pub use release::{Release, ReleaseObject, ReleaseResource};
pub use secrets::{EventError, HiddenEvents, HiddenSecrets};
pub use sentence::{Sentence, ShownSecrets, ToldRevision};
pub use table::ApiTable;

pub use crate::api_request::{ApiPath, ApiRequest, ApiVerb, KubeletPath, Odd, Query, ResourcePath};
