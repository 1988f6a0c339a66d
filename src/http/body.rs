//! Bodies of requests, and what requests hold in memory until they are answered or run:
//! [`HeldBytes`].
//!
//! A bound on each request is none on all of them: a thousand connections, and the streams of
//! HTTP/2 in each, could send a megabyte each and wait. May not refuse those who send little
//! because others send much: what a kubeconfig mostly needs is each connection's own, and only the
//! rest is shared; of that a known principal holds no more than it leaves to all others.
//!
//! Held by the tests below and `tests/service/faults.rs`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{header, request::Parts},
};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::{advice::Advice, identity::Caller, refusal::Refusal, store::Counts};

/// The largest request body, in bytes: a 256 KiB kubeconfig in base64, a command, and the data that a
/// request may bring, each byte of them in two.
pub const LARGEST_BODY: usize = 3 << 20;
/// A client that does not send its body within this is not one.
const WITHIN: Duration = Duration::from_secs(15);

/// What a connection's requests may hold whatever others do, in bytes: three calls with a
/// kubeconfig of 6 KiB.
const OWN: usize = 32 * 1024;
/// What the requests of all connections may hold beyond that.
const SHARED: usize = 32 << 20;

/// The bytes that all connections share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SharedBytes(Arc<Mutex<SharedPool>>);

#[derive(Debug)]
struct SharedPool {
    free: usize,
    /// What known principals hold of it.
    held: Counts,
}

impl Default for SharedBytes {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SharedPool {
            free: SHARED,
            held: Counts::default(),
        })))
    }
}

impl SharedBytes {
    /// Gives a further connection its share.
    pub(super) fn share(&self) -> Share {
        Share {
            own: Arc::new(FreeBytes(AtomicUsize::new(OWN))),
            shared: self.clone(),
        }
    }

    /// A panic elsewhere leaves the counts whole: nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, SharedPool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedPool {
    /// Reports whether a holder may take so many: a known principal holds no more than it leaves to
    /// all others.
    fn has_room(&self, holder: Option<&str>, bytes: usize) -> bool {
        let held = holder.map_or(0, |holder| self.held.of(holder));
        let left = self.free.checked_sub(bytes);
        left.is_some_and(|left| holder.is_none() || held + bytes <= left)
    }

    fn take(&mut self, holder: Option<&str>, bytes: usize) -> bool {
        if !self.has_room(holder, bytes) {
            return false;
        }
        self.free -= bytes;
        if let Some(holder) = holder {
            self.held.add(holder, bytes);
        }
        true
    }

    fn give_back(&mut self, holder: Option<&str>, bytes: usize) {
        self.free += bytes;
        if let Some(holder) = holder {
            self.held.take_back(holder, bytes);
        }
    }
}

/// The bytes that one connection's requests may hold. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Share {
    own: Arc<FreeBytes>,
    shared: SharedBytes,
}

/// A number of bytes that may be taken yet.
#[derive(Debug)]
struct FreeBytes(AtomicUsize);

impl FreeBytes {
    /// Takes as many as there are, up to `bytes`.
    fn take_up_to(&self, bytes: usize) -> usize {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                Some(free.saturating_sub(bytes))
            })
            .map_or(0, |free| free.min(bytes))
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The bytes that one request holds, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    share: Share,
    /// The principal whose share it is of; those whom nobody knows have none.
    holder: Option<String>,
    own: usize,
    shared: usize,
}

impl HeldBytes {
    fn nothing(share: Share, caller: &Caller) -> Self {
        let holder = (!caller.is_anonymous()).then(|| caller.principal().to_owned());
        Self {
            share,
            holder,
            own: 0,
            shared: 0,
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Unread> {
        let own = self.share.own.take_up_to(bytes);
        self.own += own;
        let rest = bytes - own;
        if rest > 0 {
            let mut shared = self.share.shared.lock();
            if !shared.take(self.holder.as_deref(), rest) {
                return Err(Unread::TooMuchAtOnce);
            }
            self.shared += rest;
        }
        Ok(())
    }

    /// Reports whether so many could be taken now.
    fn may_take(&self, bytes: usize) -> bool {
        let own = self.share.own.0.load(Ordering::Relaxed);
        let rest = bytes.saturating_sub(own);
        let shared = self.share.shared.lock();
        rest == 0 || shared.has_room(self.holder.as_deref(), rest)
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.share.own.give_back(self.own);
        if self.shared > 0 {
            let mut shared = self.share.shared.lock();
            shared.give_back(self.holder.as_deref(), self.shared);
        }
    }
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    BrokeOff,
    Late,
    TooLarge,
    TooMuchAtOnce,
}

impl Unread {
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::BrokeOff => no_request("the body broke off"),
            Self::Late => no_request("the body did not arrive in time"),
            Self::TooLarge => Refusal::RequestTooLarge {
                limit: LARGEST_BODY,
            },
            Self::TooMuchAtOnce => Refusal::TooMuchAtOnce,
        }
    }
}

/// Refuses what is sent because it is no call.
pub(super) fn no_request(reason: &str) -> Refusal {
    let hint =
        r#"send JSON like {"command": "get pods -n default"} with Content-Type: application/json"#;
    Refusal::Request(Advice::new(reason, hint))
}

/// Reads a request's body. What is held counts its headers too: a kubeconfig stands in one.
///
/// # Errors
/// Why it could not be read, as early as that is known: by the announced length if there is one.
pub(super) async fn read(
    parts: &Parts,
    body: Body,
    share: Share,
    caller: &Caller,
) -> Result<(Vec<u8>, HeldBytes), Unread> {
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY) {
        return Err(Unread::TooLarge);
    }
    let mut held = HeldBytes::nothing(share, caller);
    held.take(
        parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum(),
    )?;
    if announced.is_some_and(|length| !held.may_take(length)) {
        return Err(Unread::TooMuchAtOnce);
    }
    let bytes = timeout(WITHIN, async {
        let (mut bytes, mut chunks) = (Vec::new(), body.into_data_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Unread::BrokeOff)?;
            if bytes.len() + chunk.len() > LARGEST_BODY {
                return Err(Unread::TooLarge);
            }
            // Not only counted, but copied: a chunk of one byte keeps the whole buffer that it was
            // read into.
            held.take(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    });
    let bytes = bytes.await.unwrap_or(Err(Unread::Late))?;
    Ok((bytes, held))
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::http::Request;
    use futures_util::stream;

    use super::*;
    use crate::identity::Door;

    fn head(length: Option<usize>, header: usize) -> Parts {
        let mut request = Request::post("/").header("x", "x".repeat(header - 1));
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn anonymous() -> Caller {
        Caller::of_standard_input()
    }

    async fn known(principal: &str) -> Caller {
        Caller::known(principal, Door::Rest).await
    }

    #[tokio::test]
    async fn one_caller_that_sends_as_much_as_it_can_leaves_as_much_to_others() {
        let all = SharedBytes::default();
        let send = async |caller: &Caller| {
            let body = Body::from(vec![b'x'; LARGEST_BODY]);
            read(&head(Some(LARGEST_BODY), 1), body, all.share(), caller).await
        };
        let mut held = Vec::new();
        for principal in ["alice", "mallory"] {
            let caller = known(principal).await;
            while let Ok(another) = send(&caller).await {
                held.push(another);
            }
        }
        assert_eq!(held.len(), 5 + 2);
        let bob = known("bob").await;
        let bobs = send(&bob).await.unwrap();
        drop((held, bobs));
        assert!(all.lock().held.is_empty());
        assert_eq!(all.lock().free, SHARED);
    }

    fn free(share: &Share) -> (usize, usize) {
        (
            share.own.0.load(Ordering::Relaxed),
            share.shared.lock().free,
        )
    }

    #[tokio::test]
    async fn a_connections_own_share_is_taken_first_and_all_of_it_is_given_back() {
        let share = SharedBytes::default().share();
        let (bytes, held) = read(
            &head(None, 1000),
            Body::from(vec![b'x'; 31_000]),
            share.clone(),
            &anonymous(),
        )
        .await
        .unwrap();
        assert_eq!(
            (bytes.len(), free(&share)),
            (31_000, (OWN - 32_000, SHARED))
        );
        let (_, second) = read(
            &head(None, 1000),
            Body::from(vec![b'x'; 31_000]),
            share.clone(),
            &anonymous(),
        )
        .await
        .unwrap();
        assert_eq!(free(&share), (0, SHARED - (64_000 - OWN)));
        drop((held, second));
        assert_eq!(free(&share), (OWN, SHARED));
    }

    #[tokio::test]
    async fn those_who_send_much_take_nothing_from_those_who_send_little() {
        let all = SharedBytes::default();
        let mut held = Vec::new();
        while let Ok(another) = read(
            &head(None, 1),
            Body::from(vec![b'x'; LARGEST_BODY]),
            all.share(),
            &anonymous(),
        )
        .await
        {
            held.push(another);
        }
        assert_eq!(held.len(), SHARED / (LARGEST_BODY + 1 - OWN));
        let announcing = head(Some(LARGEST_BODY), 1);
        let refused = async |length| {
            let body = Body::from(vec![b'x'; length]);
            read(&announcing, body, all.share(), &anonymous()).await
        };
        // By the length that it announces, before a byte of it is read.
        assert_eq!(refused(0).await.unwrap_err(), Unread::TooMuchAtOnce);
        // The head counts as well.
        assert_eq!(
            read(
                &head(None, LARGEST_BODY),
                Body::empty(),
                all.share(),
                &anonymous()
            )
            .await
            .unwrap_err(),
            Unread::TooMuchAtOnce
        );
        for _ in 0..1000 {
            assert!(
                read(
                    &head(Some(20_000), 10_000),
                    Body::from(vec![b'x'; 20_000]),
                    all.share(),
                    &anonymous(),
                )
                .await
                .is_ok()
            );
        }
        held.pop();
        assert!(refused(LARGEST_BODY).await.is_ok());
    }

    #[tokio::test]
    async fn what_was_refused_holds_nothing() {
        let share = SharedBytes::default().share();
        let sent = async |body: Body, announced| {
            read(&head(announced, 1), body, share.clone(), &anonymous()).await
        };
        assert_eq!(
            sent(Body::from(vec![b'x'; LARGEST_BODY + 1]), None)
                .await
                .unwrap_err(),
            Unread::TooLarge
        );
        assert_eq!(
            sent(Body::empty(), Some(LARGEST_BODY + 1))
                .await
                .unwrap_err(),
            Unread::TooLarge
        );
        let chunks: [io::Result<Vec<u8>>; 2] = [
            Ok(vec![b'x'; 1 << 17]),
            Err(io::ErrorKind::ConnectionReset.into()),
        ];
        assert_eq!(
            sent(Body::from_stream(stream::iter(chunks)), None)
                .await
                .unwrap_err(),
            Unread::BrokeOff
        );
        assert_eq!(free(&share), (OWN, SHARED));
    }
}
