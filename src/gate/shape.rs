//! In what shape a command's output is told: what it is, how much of it, and who wrote it.
//!
//! Comes in: the command, its filters, and what the request asks for. Goes out: [`Shape`].

use std::num::NonZeroU64;

use super::{parts::Bounds, request::Request};
use crate::{
    advice::Advice,
    catalogue::VerbClass,
    command::{Filter, Invocation},
    output::{Caps, Form, Live},
    policy::{Approved, RuleBounds},
    refusal::Refusal,
};

/// The shape of a command's output.
pub(super) struct Shape {
    pub(super) caps: Caps,
    /// Whether standard error is the tool's own, and no program's in the cluster.
    pub(super) is_without_stacks: bool,
    /// The output that was asked for, where it is more than is given.
    pub(super) asked: Option<usize>,
}

impl Shape {
    /// Returns how much of the output is kept, sent and read, under the rule's own bounds. A
    /// listener that takes the output instead of the answer gets all of it, so that the rule's
    /// bound ends the command.
    pub(super) fn of(
        approved: &Approved,
        filters: &[Filter],
        request: &Request,
        bounds: Bounds,
        live: Option<&Live>,
    ) -> Self {
        let (invocation, rule) = (approved.invocation(), approved.bounds());
        let most = rule.max_output_bytes.unwrap_or(usize::MAX);
        let read = match live {
            Some(live) if live.replaces_answer => bounds.read_output.min(most as u64),
            _ => bounds.read_output,
        };
        let kept = kept(request, bounds, rule);
        let is_foreign = invocation.class() == Some(VerbClass::Exec);
        Self {
            caps: Caps {
                lines: rule.max_lines.map(NonZeroU64::get),
                form: form(invocation, filters),
                is_compact: request.is_compact && !is_foreign && !is_log(invocation),
                ..Caps::of(kept, read)
            },
            is_without_stacks: !is_foreign,
            asked: request.max_output.filter(|&asked| asked > kept),
        }
    }

    /// Reads how much output the request asks for.
    ///
    /// # Errors
    /// [`Refusal::Request`] for none at all.
    pub(super) fn read(request: &Request) -> Result<(), Refusal> {
        match request.max_output {
            Some(0) => Err(Refusal::Request(Advice::new(
                "max_output is 0",
                "give the most bytes of output that the answer may have, or leave it out",
            ))),
            _ => Ok(()),
        }
    }
}

fn kept(request: &Request, bounds: Bounds, rule: RuleBounds) -> usize {
    let most = rule.max_output_bytes.unwrap_or(usize::MAX);
    let wanted = request.max_output.unwrap_or(bounds.kept_output);
    wanted.min(bounds.largest_output).min(most)
}

/// Returns what the command prints. What a filter makes of it is lines, unless the filter makes
/// documents; logs, and what programs in the cluster print, is nobody's document.
fn form(invocation: &Invocation, filters: &[Filter]) -> Form {
    match filters.last().map(Filter::name) {
        Some("jq") => return Form::Json,
        Some("yq") => return Form::Unknown,
        Some(_) => return Form::Lines,
        None => {}
    }
    match invocation.flag("output") {
        _ if is_log(invocation) || invocation.class() == Some(VerbClass::Exec) => Form::Lines,
        Some(format) if format == "json" || format.starts_with("jsonpath-as-json") => Form::Json,
        Some("yaml" | "kyaml") => Form::Yaml,
        Some(_) => Form::Lines,
        None => Form::Unknown,
    }
}

fn is_log(invocation: &Invocation) -> bool {
    let mut logs = invocation.tool().spec().logs.iter();
    logs.any(|log| invocation.is_one_of(&log.commands))
}
