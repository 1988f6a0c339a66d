//! What is decided of a request beside the policy: its words, its deadline, and whether this server
//! can run it at all.
//!
//! Comes in: a request and what this server has. May not start anything or know a credential.

use std::time::Instant;

use super::{journal::Journal, request::Request};
use crate::{
    advice::Advice,
    catalogue::CustomResources,
    command::{
        CommandError, CommandStages, Filter, Invocation, Unresolved, parse, parse_in,
        parse_unresolved, split_stages,
    },
    data::{Data, DataError},
    inventory::Inventory,
    manifest::ManifestObject,
    metrics::Step,
    policy::{Approved, Decision, Target, carried},
    refusal::Refusal,
    tool::NotYetWhat,
};

/// Reads the command line: the tool's words, and the filters behind them. The custom resources of
/// its `cluster` are words of it, where they are known.
///
/// # Errors
/// [`Refusal::Tool`] when the tool is not here; else what is no command of the tool or no filter.
pub(super) fn read(
    request: &Request,
    inventory: &Inventory,
    cluster: Option<&CustomResources>,
    journal: &mut Journal<'_>,
) -> Result<(Invocation, Vec<Filter>), Refusal> {
    let catalogue = inventory
        .catalogue(request.tool)
        .map_err(|state| Refusal::Tool(state.refusal(request.tool).unwrap_or_default()))?;
    let parsing = Instant::now();
    let CommandStages {
        command,
        filters,
        changes,
        document: _,
    } = split_stages(request.tool, &request.command)?;
    let namespace = request.namespace.as_deref();
    let mut invocation = match cluster {
        Some(cluster) => parse_in(catalogue, command, namespace, cluster)?,
        None => parse(catalogue, command, namespace)?,
    };
    invocation.note(changes);
    journal.took(Step::Parse, parsing.elapsed());
    journal.read(&invocation);
    let filters = filters.into_iter().map(Filter::parse);
    let filters = filters.collect::<Result<Vec<_>, _>>()?;
    invocation.note(filters.iter().flat_map(Filter::adjustments).cloned());
    Ok((invocation, filters))
}

/// Reads what the request brings for its command to read.
///
/// # Errors
/// [`Refusal::Data`] for what is no such thing, or too much.
pub(super) fn data(request: &Request, limit: usize) -> Result<Data, Refusal> {
    let document = match request.command.contains("<<") {
        true => split_stages(request.tool, &request.command)?.document,
        false => None,
    };
    let (stdin, files) = (request.stdin.as_ref(), &request.files);
    Ok(Data::read(stdin, document.as_ref(), files, limit)?)
}

/// Returns the command when it names a resource that only its cluster can tell.
pub(super) fn unresolved(request: &Request, inventory: &Inventory) -> Option<Unresolved> {
    let catalogue = inventory.catalogue(request.tool).ok()?;
    let stages = split_stages(request.tool, &request.command).ok()?;
    parse_unresolved(catalogue, stages.command, request.namespace.as_deref())
}

/// Whether a command line has to be read again with what its cluster has: a word of it is of no
/// resource that is known, or of a custom one.
pub(super) fn depends_on_cluster(read: &Result<(Invocation, Vec<Filter>), Refusal>) -> bool {
    match read {
        Ok((invocation, _)) => invocation.has_customs(),
        Err(Refusal::Command(CommandError::UnknownResource { .. })) => true,
        Err(_) => false,
    }
}

/// Returns what the policy lets run now.
///
/// # Errors
/// [`Refusal::Unconfirmed`] where it asks a person first, [`Refusal::Denied`] where it denies.
pub(super) fn approved(decision: Decision) -> Result<Approved, Refusal> {
    match decision {
        Decision::Allow(approved) => Ok(approved),
        Decision::Confirm(pending) => Err(Refusal::Unconfirmed(pending.into_question())),
        Decision::Deny(denied) => Err(Refusal::Denied(denied)),
    }
}

/// Refuses what the policy allows and this server cannot run. A filter has no power, so that no
/// rule is about it; but it has to be there before anything happens.
///
/// # Errors
/// [`Refusal::Tool`], with what is missing.
pub(super) fn can_run(
    approved: &Approved,
    filters: &[Filter],
    inventory: &Inventory,
) -> Result<(), Refusal> {
    let missing = |filter: &Filter| {
        let state = inventory.filter(filter.program());
        let refusal = state.refusal(filter.program(), filter.name());
        refusal.map(Refusal::Tool)
    };
    let refusal = not_yet(approved.invocation()).or_else(|| filters.iter().find_map(missing));
    refusal.map_or(Ok(()), Err)
}

/// Reads the manifests among what a request brings: the policy judges their objects, and the tool
/// gets these written anew in their place. What is not there is refused behind the policy.
///
/// # Errors
/// [`Refusal::Manifest`] for what cannot be read in one way.
pub(super) fn manifests(
    data: Data,
    invocation: &Invocation,
    target: &Target,
) -> Result<(Data, Vec<ManifestObject>), Refusal> {
    // A kind that the table does not hold is not looked for in the cluster.
    Ok(carried(data, invocation, target, &|_, _, _| None)?)
}

/// Refuses a command that does not read all that its request brings, or reads more, or has more to
/// read than its rule lets it.
///
/// # Errors
/// [`Refusal::Data`], with the flag, the piece or the rule.
pub(super) fn reads(approved: &Approved, data: &Data, sent_bytes: usize) -> Result<(), Refusal> {
    data.is_read_by(approved.invocation().reads())?;
    match approved.bounds().max_data_bytes {
        Some(limit) if sent_bytes > limit => {
            let (bytes, rule) = (sent_bytes, Some(approved.rule()));
            Err(DataError::TooLarge { bytes, limit, rule }.into())
        }
        _ => Ok(()),
    }
}

/// Returns why the policy may allow a command that this server cannot run yet: better refused than
/// half done.
pub(super) fn not_yet(invocation: &Invocation) -> Option<Refusal> {
    if invocation.is_offline() {
        return None;
    }
    let mut rows = invocation.tool().spec().not_yet.iter();
    let row = rows.find(|row| match &row.what {
        NotYetWhat::Charts => !invocation.charts().is_empty(),
        NotYetWhat::Commands(commands) => invocation.is_one_of(commands),
    })?;
    Some(Refusal::Tool(Advice::new(row.reason, row.hint)))
}
