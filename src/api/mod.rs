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
mod drawn;
mod edit;
mod effect;
mod events;
mod json;
mod kept;
mod manifested;
mod keys;
mod overlay;
mod permit;
mod preview;
mod protobuf;
mod rehearsed;
mod release;
mod requirement;
mod secrets;
mod seen;
mod selected;
mod selector;
mod sentence;
mod table;
mod versions;
mod walk;
mod wording;
mod writing;

pub use authority::{Authority, Unexplained};
pub use body::{BodyError, BodyFacts};
pub use effect::{ApiWrite, Effects};
pub use events::{EventError, EventLines};
pub use overlay::{Before, OverlaidAnswer, Overlay, OverlayFull, OverlayState};
pub use preview::{ObjectChange, Preview, PreviewedObject};
pub use rehearsed::{NotRehearsed, Rehearsed};
pub use release::{Release, ReleaseObject, ReleaseResource};
pub use secrets::{HiddenEvents, HiddenSecrets};
pub use sentence::{Sentence, ShownSecrets, ToldRevision};
pub use table::ApiTable;

pub use crate::api_request::{ApiPath, ApiRequest, ApiVerb, KubeletPath, Odd, Query, ResourcePath};
