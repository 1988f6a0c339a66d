//! The custom resources of a call's cluster, which its command can only be read with:
//! [`Call::read`].
//!
//! Comes in: a request, one of whose words is of no resource that is known. Goes out: the command,
//! read again with what the caller's own credentials find there. The question is a child like any
//! other: approved because the rules could allow the command, pinned, recorded, and in a place of
//! the caller's own. What it prints is hostile text (`catalogue/custom.rs`).
//!
//! Held by `tests/service/custom.rs`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::timeout,
};

use super::{
    access::Access,
    call::Call,
    cleared::{Cleared, StartedTool},
    deadline::Requested,
    journal::Journal,
    judge,
};
use crate::{
    advice::Advice,
    catalogue::{CustomResources, LONGEST_DISCOVERY},
    command::{Filter, Invocation, Unresolved},
    customs::LookupKey,
    excerpt::Excerpt,
    metrics,
    output::{Sanitizer, Unshown},
    refusal::Refusal,
    sandbox::{Limits, Streams},
};

/// The longest that a cluster may take to say what it has.
const LONGEST: Duration = Duration::from_secs(20);
/// What is read of the child's standard error.
const ERRORS: u64 = 4 * 1024;

impl Call<'_> {
    /// Reads the command line, with the custom resources of its cluster where it depends on them
    /// and the policy could allow it.
    ///
    /// # Errors
    /// What is no command, or why the cluster cannot be asked.
    pub(super) async fn read(
        &self,
        requested: Requested,
        journal: &mut Journal<'_>,
    ) -> Result<(Invocation, Vec<Filter>), Refusal> {
        let (request, inventory) = (self.request, &self.parts.inventory);
        let read = judge::read(request, inventory, None, journal);
        if !judge::depends_on_cluster(&read) {
            return read;
        }
        let Some(unresolved) = judge::unresolved(request, inventory) else {
            return read;
        };
        // Most calls have none of this, and need no room for it.
        match Box::pin(self.customs(&unresolved, requested, journal)).await? {
            Some(cluster) => judge::read(request, inventory, Some(&cluster), journal),
            None => read,
        }
    }

    /// Returns what the cluster has; `None` where no rule could allow the command whatever it has.
    async fn customs(
        &self,
        unresolved: &Unresolved,
        requested: Requested,
        journal: &mut Journal<'_>,
    ) -> Result<Option<Arc<CustomResources>>, Refusal> {
        let (parts, caller, request) = (self.parts, self.caller, self.request);
        let access = Access::of(&unresolved.question(), request, caller, parts).await?;
        let target = access.target(caller, request.cluster.as_deref(), &parts.clusters);
        let Some(approved) = parts
            .policy()
            .lookup(unresolved, &target, SystemTime::now())
        else {
            return Ok(None);
        };
        let deadline = requested.under(&approved)?.min(LONGEST);
        let pinned = access.pin(&parts.allowed).await?;
        let principal = caller.principal();
        let (pinned, known_by) = access.judged(
            pinned,
            (&approved, &[]),
            parts,
            principal,
            (self.request, self.request_id),
        )?;
        let inputs = access.inputs(&pinned, &approved, known_by);
        let asker = LookupKey::new(caller.principal(), inputs.known_by().expose());
        let known = parts
            .customs
            .known(asker, |cluster| unresolved.is_answered_by(cluster));
        metrics::lookup(known.is_some());
        if known.is_some() {
            return Ok(known);
        }
        let recorded = journal.lookup(&approved, access.endpoint()).await?;
        let place = self.place(deadline, journal).await?;
        let unshown = access.unshown(&pinned, &approved);
        let cleared = Cleared {
            inputs,
            approved,
            pinned,
            recorded,
            place,
        };
        let asking = self.ask(cleared, deadline, unshown);
        let found = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Refusal::Cancelled),
            // A child whose handle is dropped is killed.
            found = timeout(deadline, asking) => found.map_err(|_| Refusal::Timeout { after: deadline })??,
        };
        let found = Arc::new(found);
        parts.customs.keep(asker, Arc::clone(&found));
        Ok(Some(found))
    }

    /// Runs the question to its end, and reads its answer. One API group that does not answer does
    /// not keep the others from being known.
    async fn ask(
        &self,
        cleared: Cleared,
        deadline: Duration,
        unshown: Unshown,
    ) -> Result<CustomResources, Refusal> {
        let limits = Limits::of_call(self.parts.bounds.memory_bytes, deadline);
        let principal = self.caller.principal();
        let started = cleared.start(self.parts, principal, limits).await?;
        let StartedTool { mut child, place } = started;
        let (printed, errors) = match child.take_streams() {
            Some(Streams { stdout, stderr }) => {
                tokio::join!(
                    up_to(stdout, LONGEST_DISCOVERY as u64 + 1),
                    first_of(stderr, ERRORS)
                )
            }
            None => Default::default(),
        };
        if printed.len() > LONGEST_DISCOVERY {
            child.kill();
        }
        child.wait().await;
        drop(place);
        CustomResources::read(&printed).map_err(|error| {
            let errors = Sanitizer::of(&unshown).whole(&errors);
            let why = match errors.trim() {
                "" => error.to_string(),
                errors => Excerpt::new(errors.lines().last().unwrap_or_default()).to_string(),
            };
            Refusal::Tool(Advice {
                reason: format!("the cluster did not say what resources it has: {why}"),
                hint: "`api-resources` shows the whole answer; pods, deployments and what else every cluster has can be read without it".into(),
            })
        })
    }
}

/// Reads the first bytes of a stream; a broken pipe is an end too.
async fn up_to(stream: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = stream.take(most).read_to_end(&mut kept).await;
    kept
}

/// Reads a stream to its end, so that nobody waits for it, and keeps its first bytes.
async fn first_of(mut stream: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let kept = up_to(&mut stream, most).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    kept
}
