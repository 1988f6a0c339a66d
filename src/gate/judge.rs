//! Everything that is decided before anything starts.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    access::{Access, Handed},
    call::Call,
};
use crate::{
    command::{Filter, Invocation, Stages as CommandStages, go_duration, parse, split_stages},
    egress::{Pinned, pin},
    excerpt::Excerpt,
    metrics::{self, Step},
    policy::{Approved, Decision, Target},
    refusal::Refusal,
    sandbox::ProfileName,
    secret::SecretString,
    tool::Tool,
};

/// A request that may run, and with what.
pub(super) struct Judged {
    pub(super) approved: Approved,
    pub(super) filters: Vec<Filter>,
    pub(super) handed: Handed,
    pub(super) secrets: Vec<SecretString>,
    pub(super) pinned: Pinned,
    pub(super) target: Option<String>,
    pub(super) deadline: Duration,
}

impl Call<'_> {
    /// Everything that is decided before anything starts.
    pub(super) async fn judge(&self) -> Result<Judged, (Refusal, Option<Invocation>)> {
        let Self { rooms, request, .. } = self;
        let deadline = self.deadline().map_err(|refusal| (refusal, None))?;
        let catalogue = rooms.inventory.catalogue(request.tool).map_err(|state| {
            let (reason, hint) = state.refusal(request.tool).unwrap_or_default();
            (Refusal::Tool { reason, hint }, None)
        })?;
        let parsing = Instant::now();
        let CommandStages { command, filters } =
            split_stages(request.tool, &request.command).map_err(|error| (error.into(), None))?;
        let invocation = parse(catalogue, command, request.namespace.as_deref())
            .map_err(|error| (error.into(), None))?;
        metrics::step(Step::Parse, request.tool, parsing.elapsed());
        let seen = Some(invocation.clone());
        let filters = filters
            .into_iter()
            .map(Filter::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| (error.into(), seen.clone()))?;
        let not_yet = not_yet(&invocation);
        // Help prints the environment's tokens as defaults; a command that contacts nobody gets
        // none.
        let access = match invocation.is_offline() || not_yet.is_some() {
            true => Access::Nothing,
            false => self
                .access()
                .await
                .map_err(|refusal| (refusal, seen.clone()))?,
        };
        let target = Target::new(
            self.caller,
            self.request.cluster.as_deref(),
            access.endpoint(),
            access.namespace(),
        );
        let policy = Arc::clone(&rooms.policy.read().unwrap_or_else(PoisonError::into_inner));
        let deciding = Instant::now();
        let decision = policy.decide(invocation, &target);
        metrics::step(Step::Policy, request.tool, deciding.elapsed());
        let approved = match decision {
            Decision::Allow(approved) => approved,
            Decision::Confirm(denied) => return Err((Refusal::Unconfirmed(denied), seen)),
            Decision::Deny(denied) => return Err((Refusal::Denied(denied), seen)),
        };
        if let Some(refusal) = not_yet {
            return Err((refusal, seen));
        }
        // A filter has no power, so no rule is asked about it; but it has to be there before
        // anything happens.
        if let Some(refusal) = filters.iter().find_map(|filter| self.lacks(filter)) {
            return Err((refusal, seen));
        }
        let deadline = self
            .deadline_of(&approved, deadline)
            .map_err(|refusal| (refusal, seen.clone()))?;
        let pinned = match access.endpoint() {
            None => Pinned::nowhere(),
            Some(endpoint) => pin(endpoint, &rooms.allowed).await.map_err(|error| {
                metrics::egress_refusal();
                (error.into(), seen.clone())
            })?,
        };
        let by_proxy = ProfileName::of(approved.invocation()).asks_proxy_always();
        Ok(Judged {
            approved,
            filters,
            handed: access.handed(pinned.address().map(|address| address.ip()), by_proxy),
            secrets: access.secrets(),
            target: access.endpoint().map(ToString::to_string),
            pinned,
            deadline,
        })
    }

    /// Why a filter cannot run here, when it cannot.
    fn lacks(&self, filter: &Filter) -> Option<Refusal> {
        let state = self.rooms.inventory.filter(filter.program());
        state
            .refusal(filter.program(), filter.name())
            .map(|(reason, hint)| Refusal::Tool { reason, hint })
    }

    fn deadline(&self) -> Result<Duration, Refusal> {
        let Some(text) = &self.request.timeout else {
            return Ok(self.rooms.bounds.timeout);
        };
        let longest = self.rooms.bounds.longest_timeout;
        let wrong = |reason: String| Refusal::Request {
            reason,
            hint: format!(
                "give a duration like 30s, at most {}",
                humantime::format_duration(longest)
            ),
        };
        match go_duration(text) {
            Some(timeout) if timeout.is_zero() || timeout > longest => Err(wrong(format!(
                "the timeout {} is out of range",
                Excerpt::new(text)
            ))),
            Some(timeout) => Ok(timeout),
            None => Err(wrong(format!(
                "the timeout {} is not a duration",
                Excerpt::new(text)
            ))),
        }
    }

    /// The deadline under the rule's own bound: a longer one that the caller asked for is refused,
    /// not cut.
    fn deadline_of(&self, approved: &Approved, deadline: Duration) -> Result<Duration, Refusal> {
        match approved.bounds().timeout {
            Some(longest) if deadline > longest && self.request.timeout.is_some() => {
                Err(Refusal::Request {
                    reason: format!(
                        "the timeout is longer than the rule {} allows",
                        approved.rule()
                    ),
                    hint: format!(
                        "give at most {}, or leave it out",
                        humantime::format_duration(longest)
                    ),
                })
            }
            Some(longest) => Ok(deadline.min(longest)),
            None => Ok(deadline),
        }
    }
}

/// What the policy may allow and this server cannot do yet: better refused than half done.
fn not_yet(invocation: &Invocation) -> Option<Refusal> {
    if invocation.is_offline() {
        return None;
    }
    let (reason, hint) = match invocation.tool() {
        // A chart is fetched into a cache, and no child of helm's writes anywhere.
        Tool::Helm if !invocation.charts().is_empty() => (
            "helm commands that fetch a chart are not enabled yet",
            "those about releases are: `list`, `status`, `history`, `get`, `rollback` and `uninstall`",
        ),
        // No profile both listens and runs a helper; without its helper argocd says nothing where
        // it should print.
        Tool::Argocd
            if invocation.path().words() == ["app", "diff"]
                && invocation.flag("grpc-web") == Some("true") =>
        {
            (
                "`argocd app diff` through gRPC-web is not enabled yet",
                "leave --grpc-web out where the server answers gRPC",
            )
        }
        _ => return None,
    };
    Some(Refusal::Tool {
        reason: reason.into(),
        hint: hint.into(),
    })
}
