//! All proofs of one request, and the only way from them to its child: [`Cleared::start`].
//!
//! Comes in: what each room proved. Goes out: the running tool. May not decide anything: a proof
//! that is missing is a field that is missing, which does not compile.

use super::{access::Inputs, parts::Parts};
use crate::{
    advice::Advice,
    audit::Recorded,
    discovery::Discovery,
    egress::Pinned,
    kubeconfig::CertificateAuthority,
    metrics,
    policy::Approved,
    refusal::Refusal,
    sandbox::{Child, Limits, NotTaken, Run, SandboxError, StartPart, Warm, Yield},
    store::{Place, Standing},
};

/// A request that may run: what allows it, where it leads, what it runs with, where that is
/// recorded, and the place that it takes.
pub(super) struct Cleared {
    pub(super) approved: Approved,
    pub(super) pinned: Pinned,
    pub(super) inputs: Inputs,
    pub(super) recorded: Recorded,
    pub(super) place: Place,
}

/// A tool that runs, and the place that it takes until it has ended.
pub(super) struct StartedTool {
    pub(super) child: Child,
    pub(super) place: Place,
}

impl Cleared {
    /// Starts the tool with its one request: a tool that waits for one where there is one, else one
    /// that is started for it. `principal` is whose discovery it may use.
    ///
    /// # Errors
    /// [`Refusal::Sandbox`] and [`Refusal::Tool`] for what kept it from starting,
    /// [`Refusal::Fault`] when it could get no directory.
    pub(super) async fn start(
        self,
        parts: &Parts,
        principal: &str,
        limits: Limits,
    ) -> Result<StartedTool, Refusal> {
        let Self {
            approved,
            pinned,
            mut inputs,
            recorded,
            place,
        } = self;
        let tool = approved.invocation().tool();
        let mut run = Run::Approved(Box::new(approved), recorded, inputs.variables.take());
        // A tool that waits has its standard input and its folder already.
        let waits = inputs.data.is_empty();
        if let Some(warm) = waits
            .then(|| parts.warm.take(tool, run.profile()))
            .flatten()
        {
            let discovery = discovery(&warm, parts, principal, &inputs);
            match hand_over(warm, run, &pinned, &inputs, limits, discovery).await {
                Ok(child) => return started(child, place).await,
                Err(not_taken) => {
                    let error = not_taken.error;
                    tracing::debug!(%error, "the tool that waited cannot take this call");
                    run = not_taken.run;
                }
            }
        }
        let opened = parts
            .workspaces
            .open(&inputs.kubeconfig, inputs.authority.as_ref());
        let brought = opened.and_then(|mut workspace| {
            workspace.bring(&inputs.data)?;
            Ok(workspace)
        });
        let workspace = brought.map_err(|source| Refusal::Fault {
            what: "no directory could be made for the request",
            source,
        })?;
        let child = parts.sandbox.start(run, &pinned, workspace, limits).await;
        let child = child.map_err(not_started)?;
        started(child, place).await
    }
}

/// A tool that runs. Each caller has one that is as urgent as any other's; more of them at once
/// leave the processors to those of other callers.
async fn started(child: Child, place: Place) -> Result<StartedTool, Refusal> {
    if let Some(how) = yielding(&place) {
        child.yield_to_others(how).await.map_err(not_started)?;
    }
    Ok(StartedTool { child, place })
}

/// Returns how what runs in a place leaves the processors to others, if it does.
pub(super) fn yielding(place: &Place) -> Option<Yield> {
    match place.standing() {
        Standing::First => None,
        Standing::Further => Some(Yield::LeastUrgent),
        Standing::BehindOthers => Some(Yield::Held),
    }
}

/// Returns what tools of this principal found before with the same inputs, for a tool that can use
/// it.
fn discovery(warm: &Warm, parts: &Parts, principal: &str, inputs: &Inputs) -> Option<Discovery> {
    let authority = inputs.authority.as_ref().map(CertificateAuthority::pem);
    let kubeconfig = inputs.known_by().expose();
    let known = || parts.discovery.of(principal, kubeconfig, authority);
    warm.discovers().then(known).flatten()
}

/// Gives a tool that waits its request, and keeps what it finds until it has ended.
async fn hand_over(
    warm: Warm,
    run: Run,
    pinned: &Pinned,
    inputs: &Inputs,
    limits: Limits,
    discovery: Option<Discovery>,
) -> Result<Child, NotTaken> {
    let (kubeconfig, authority) = (&inputs.kubeconfig, inputs.authority.as_ref());
    let found = discovery.as_ref().map(Discovery::found);
    let taken = warm.hand_over(run, pinned, kubeconfig, authority, limits, found);
    let (child, finds) = taken.await?;
    if let Some(discovery) = discovery {
        metrics::discovery(!discovery.found().is_empty());
        tokio::spawn(discovery.learn(finds));
    }
    Ok(child)
}

/// Returns the refusal for a child that did not start.
fn not_started(error: SandboxError) -> Refusal {
    let part = match &error {
        SandboxError::NotStarted(failure) => match failure.part {
            StartPart::Layer(layer) => layer.as_str(),
            StartPart::Exec | StartPart::Helper => "other",
        },
        SandboxError::NoHelper => "helper",
        SandboxError::Unreachable(_)
        | SandboxError::Killed
        | SandboxError::NoSlot
        | SandboxError::NoTasks
        | SandboxError::SpawnerGone => "spawner",
    };
    metrics::sandbox_failure(part);
    match error {
        SandboxError::NoHelper => Refusal::Tool(Advice {
            reason:
                "this command runs the helper `diff`, which is not beside the tools of this server"
                    .into(),
            hint: "an operator puts it there: `tools/build diff`, or the image as it is built"
                .into(),
        }),
        error => error.into(),
    }
}
