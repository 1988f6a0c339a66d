//! What a person may be about to write: [`completed`], for arguments of prompts and templates.
//!
//! From the catalogue and the policy in force: nothing is offered that the caller could not use.

use rmcp::model::{CompleteRequestParams, CompletionInfo, Reference};

use super::{
    prompts::Inquiry,
    resources::{CATALOGUE, OUTPUT},
    tools::usable,
};
use crate::{gate::Gate, identity::Caller};

/// What workloads begin with.
const KINDS: [&str; 6] = [
    "cronjob/",
    "daemonset/",
    "deployment/",
    "job/",
    "pod/",
    "statefulset/",
];

/// Returns the values that begin with what was written; none where nothing is known.
pub(super) fn completed(
    gate: &Gate,
    caller: &Caller,
    request: &CompleteRequestParams,
) -> CompletionInfo {
    let given = |name: &str| {
        let context = request.context.as_ref();
        context
            .and_then(|context| context.get_argument(name))
            .map(String::as_str)
    };
    let argument = request.argument.name.as_str();
    let known = match (&request.r#ref, argument) {
        (Reference::Resource(template), "tool") if template.uri == CATALOGUE => {
            let usable = usable(gate, caller).into_iter();
            usable.map(|(tool, _)| tool.to_string()).collect()
        }
        (Reference::Resource(template), "verb") if template.uri == CATALOGUE => {
            verbs(gate, caller, given("tool"))
        }
        (Reference::Resource(template), "call") if template.uri == OUTPUT => {
            gate.store().kept.names(caller)
        }
        (Reference::Prompt(prompt), _)
            if Inquiry::named(&prompt.name).is_some_and(|asked| asked.is_about(argument)) =>
        {
            match argument {
                "cluster" => gate.clusters(caller),
                "workload" => KINDS.map(str::to_owned).into(),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    let begun = request.argument.value.as_str();
    let all: Vec<String> = known
        .into_iter()
        .filter(|value| value.starts_with(begun))
        .collect();
    let total = u32::try_from(all.len()).ok();
    let shown: Vec<String> = all
        .iter()
        .take(CompletionInfo::MAX_VALUES)
        .cloned()
        .collect();
    let has_more = shown.len() < all.len();
    CompletionInfo::with_pagination(shown, total, has_more).unwrap_or_default()
}

/// The verbs that the caller may use of a tool, or of all.
fn verbs(gate: &Gate, caller: &Caller, tool: Option<&str>) -> Vec<String> {
    let offers = usable(gate, caller).into_iter();
    let offers = offers.filter(|(offered, _)| tool.is_none_or(|tool| tool == offered.as_str()));
    let mut verbs: Vec<String> = offers
        .flat_map(|(_, offer)| offer.allowed.into_iter().chain(offer.asking))
        .map(|verb| verb.to_string())
        .collect();
    verbs.sort();
    verbs.dedup();
    verbs
}
