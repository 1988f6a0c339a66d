//! What one call may ask of its API server in all: [`CallBudget`], and what it has asked until now.
//!
//! Every request, byte and object that a call writes is counted here before it goes on. What is beyond
//! the budget ends the call; what happened before stays, and is told. Held by
//! `tests/service/budgets.rs`.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use crate::api::{ApiPath, ApiRequest, ApiVerb};

/// The most that one call may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBudget {
    /// Requests. The most that a tool was seen to need is 73; one that polls needs more.
    pub requests: u32,
    /// Bytes of requests' bodies, and of what goes up a stream.
    pub sent_bytes: u64,
    /// Bytes of answers, and of what comes down a stream.
    pub received_bytes: u64,
    /// Objects that it writes or deletes; each counts once. A node has 110 pods, unless it is said
    /// otherwise.
    pub objects: u32,
}

impl Default for CallBudget {
    fn default() -> Self {
        Self {
            requests: 2048,
            sent_bytes: 64 << 20,
            received_bytes: 1 << 30,
            objects: 1000,
        }
    }
}

/// What a call has had enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OverBudget {
    Objects(u32),
    Received(u64),
    Requests(u32),
    Sent(u64),
}

/// What one call has asked until now.
pub(super) struct Spending {
    budget: CallBudget,
    requests: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    objects: Mutex<WrittenObjects>,
    over: OnceLock<OverBudget>,
    /// Cancelled when it is too much.
    ended: CancellationToken,
}

/// The objects that a call has written.
#[derive(Default)]
struct WrittenObjects {
    known: BTreeSet<String>,
    /// Those that the server named.
    unnamed: u32,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamWay {
    /// To the API server.
    Sent,
    /// To the tool.
    Received,
}

impl Spending {
    /// Nothing yet; `ended` is cancelled when it is more than `budget`.
    pub(super) fn new(budget: CallBudget, ended: CancellationToken) -> Self {
        Self {
            budget,
            requests: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            objects: Mutex::default(),
            over: OnceLock::new(),
            ended,
        }
    }

    /// What it had enough of, where it had.
    pub(super) fn over(&self) -> Option<OverBudget> {
        self.over.get().copied()
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When it is one too many.
    pub(super) fn request(&self) -> Result<(), OverBudget> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let most = self.budget.requests;
        self.within(before < most, OverBudget::Requests(most))
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// When they are too many.
    pub(super) fn bytes(&self, way: StreamWay, bytes: usize) -> Result<(), OverBudget> {
        let (counted, most, over) = match way {
            StreamWay::Sent => {
                let most = self.budget.sent_bytes;
                (&self.sent, most, OverBudget::Sent(most))
            }
            StreamWay::Received => {
                let most = self.budget.received_bytes;
                (&self.received, most, OverBudget::Received(most))
            }
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = counted.fetch_add(bytes, Ordering::Relaxed);
        self.within(before.saturating_add(bytes) <= most, over)
    }

    /// Counts the object that a request writes, once however often it is written.
    ///
    /// # Errors
    /// When it is one too many.
    pub(super) fn object(&self, request: &ApiRequest) -> Result<(), OverBudget> {
        let ApiPath::Resource(path) = &request.path else {
            return Ok(());
        };
        let is_rehearsal = request.query.get("dryRun").is_some() && request.verb != ApiVerb::Delete;
        if !request.writes() || request.connects() || is_rehearsal {
            return Ok(());
        }
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        match &path.name {
            Some(name) => {
                let namespace = path.namespace.as_deref().unwrap_or_default();
                let object = format!("{} {namespace}/{name}", path.qualified());
                objects.known.insert(object);
            }
            None => objects.unnamed = objects.unnamed.saturating_add(1),
        }
        let known = u32::try_from(objects.known.len()).unwrap_or(u32::MAX);
        let most = self.budget.objects;
        let is_within = known.saturating_add(objects.unnamed) <= most;
        self.within(is_within, OverBudget::Objects(most))
    }

    fn within(&self, is_within: bool, over: OverBudget) -> Result<(), OverBudget> {
        if is_within {
            return Ok(());
        }
        if self.over.set(over).is_ok() {
            tracing::warn!(%over, "a call asks more of its API server than it may");
        }
        self.ended.cancel();
        Err(over)
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(most) => write!(f, "it may write or delete {most} objects"),
            Self::Received(most) => write!(f, "it may receive {most} bytes of the API server"),
            Self::Requests(most) => write!(f, "it may make {most} API requests"),
            Self::Sent(most) => write!(f, "it may send {most} bytes to the API server"),
        }
    }
}

impl std::error::Error for OverBudget {}

#[cfg(test)]
mod tests {
    use super::*;

    fn spending() -> Spending {
        let budget = CallBudget {
            requests: 2,
            sent_bytes: 10,
            received_bytes: 20,
            objects: 2,
        };
        Spending::new(budget, CancellationToken::new())
    }

    fn written(spending: &Spending, line: &str) -> Result<(), OverBudget> {
        let (method, target) = line.split_once(' ').unwrap();
        spending.object(&ApiRequest::read(method, target).unwrap())
    }

    #[test]
    fn what_is_as_much_as_it_may_is_not_too_much() {
        let requests = spending();
        assert_eq!([requests.request(), requests.request()], [Ok(()), Ok(())]);
        assert!(requests.over().is_none() && !requests.ended.is_cancelled());
        assert_eq!(requests.request(), Err(OverBudget::Requests(2)));
        assert!(requests.over().is_some() && requests.ended.is_cancelled());
        for (way, most) in [(StreamWay::Sent, 10), (StreamWay::Received, 20)] {
            let bytes = spending();
            assert_eq!(bytes.bytes(way, most), Ok(()));
            assert!(bytes.bytes(way, 1).is_err(), "{way:?}");
        }
    }

    #[test]
    fn an_object_counts_once_and_what_keeps_nothing_not_at_all() {
        let objects = spending();
        for line in [
            "PATCH /api/v1/namespaces/web/pods/a",
            "DELETE /api/v1/namespaces/web/pods/a",
            "PATCH /api/v1/namespaces/web/pods/a/status",
            "PATCH /api/v1/namespaces/web/pods/b?dryRun=All",
            "GET /api/v1/namespaces/web/pods/c",
            "POST /api/v1/namespaces/web/pods/d/exec?command=ls",
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "POST /api/v1/namespaces/web/pods",
        ] {
            assert_eq!(written(&objects, line), Ok(()), "{line}");
        }
        let one_more = "POST /api/v1/namespaces/web/pods/e/eviction";
        assert_eq!(written(&objects, one_more), Err(OverBudget::Objects(2)));
        let created = spending();
        for expected in [Ok(()), Ok(()), Err(OverBudget::Objects(2))] {
            assert_eq!(
                written(&created, "POST /api/v1/namespaces/web/pods"),
                expected
            );
        }
    }
}
