//! Whether a command may run, for a caller that asks before it sends it: [`Gate::explain`].
//!
//! Comes in: a request, with or without what its cluster needs. Goes out: the refusal that it would
//! get, or what would run. Starts nothing, reaches nobody, and is no call: nothing of it is recorded.
//! Where a request brings no kubeconfig, the question is about a cluster without a name.
//!
//! Held by `tests/service/explain.rs`.

use std::time::{Instant, SystemTime};

use super::{
    Gate,
    access::Access,
    deadline::Requested,
    journal::Journal,
    judge,
    outcome::{self, Outcome, Permitted},
    parts::Parts,
    request::Request,
    shape::Shape,
};
use crate::{
    command::Invocation,
    identity::Caller,
    policy::{Approved, Facts, Target},
    refusal::Refusal,
    tool::Tool,
};

impl Gate {
    /// Answers whether a request would run.
    pub(super) async fn explain(&self, caller: &Caller, request: &Request) -> Outcome {
        let since = Instant::now();
        let request_id = outcome::request_id();
        // It reads the command as a call does, and is dropped with nothing in it.
        let mut journal = Journal::new(&self.parts, caller, request, &request_id, since);
        let explained = explained(&self.parts, caller, request, &mut journal).await;
        let (permitted, refusal) = match explained {
            Ok(permitted) => (Some(permitted), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Outcome {
            took: since.elapsed(),
            permitted,
            refusal,
            ..Outcome::nothing(request_id)
        }
    }

    /// Returns whether a command alone would run for a caller, on a cluster of which nothing is
    /// known.
    pub async fn may_run(&self, caller: &Caller, tool: Tool, command: &str) -> bool {
        let request = Request::question(tool, command);
        self.explain(caller, &request).await.permitted.is_some()
    }
}

async fn explained(
    parts: &Parts,
    caller: &Caller,
    request: &Request,
    journal: &mut Journal<'_>,
) -> Result<Permitted, Refusal> {
    parts.store.locks.pass(caller.principal())?;
    let requested = Requested::read(request, parts.bounds)?;
    Shape::read(request)?;
    let read = judge::read(request, &parts.inventory, None, journal);
    if let (true, Some(unresolved)) = (
        judge::depends_on_cluster(&read),
        judge::unresolved(request, &parts.inventory),
    ) {
        let target = target(unresolved.assumed(), request, caller, parts).await?;
        let now = SystemTime::now();
        if let Some(approved) = parts.policy().lookup(&unresolved, &target, now) {
            let note = "it may run, if the cluster has that resource and calls it so; this is asked when it runs";
            return Ok(Permitted {
                rule: Some(approved.rule()),
                notes: vec![note.to_owned()],
            });
        }
    }
    let (invocation, filters) = read?;
    let data = judge::data(request, parts.bounds.data_bytes)?;
    let target = target(&invocation, request, caller, parts).await?;
    let sent_bytes = data.bytes();
    let (data, objects) = judge::manifests(data, &invocation, &target)?;
    let facts = Facts::new(&invocation, &target)
        .through(&filters)
        .carrying(&objects)
        .at(SystemTime::now());
    let approved = judge::approved(parts.policy().decide(facts))?;
    judge::can_run(&approved, &filters, &parts.inventory)?;
    judge::reads(&approved, &data, sent_bytes)?;
    requested.under(&approved)?;
    Ok(Permitted::of(&approved))
}

/// What the request is aimed at: what it brings, or a cluster of which nothing is known.
async fn target(
    invocation: &Invocation,
    request: &Request,
    caller: &Caller,
    parts: &Parts,
) -> Result<Target, Refusal> {
    let argocd = &request.argocd;
    let brings = request.kubeconfig.text().is_some()
        || request.cluster.is_some()
        || argocd.server.is_some()
        || argocd.token.is_some();
    if !brings {
        let namespace = request.namespace.as_deref().unwrap_or("default");
        return Ok(Target::new(caller, None, None, namespace));
    }
    let access = Access::of(invocation, request, caller, parts).await?;
    Ok(access.target(caller, request.cluster.as_deref(), &parts.clusters))
}

impl Permitted {
    fn of(approved: &Approved) -> Self {
        let may = format!("it may run: {} allows it", approved.rule_at());
        let adjustments = approved.invocation().adjustments().iter();
        let notes = [may]
            .into_iter()
            .chain(adjustments.map(ToString::to_string));
        Self {
            rule: Some(approved.rule()),
            notes: notes.collect(),
        }
    }
}
