//! What of a preview its caller is shown: [`show`].
//!
//! Comes in: what a call would have done. Goes out: the same with what differs, object by object, cleaned
//! and without secrets as any output. An object that is there already is shown to who may `get` it: a rule
//! that lets a caller change what it may not read does not show it by a preview.
//!
//! Held by `tests/service/preview_shown.rs`.

use std::time::SystemTime;

use super::parts::Parts;
use crate::{
    api::{ObjectChange, Preview, PreviewedObject},
    command::{parse, split_stages},
    output::{Sanitizer, Unshown},
    policy::{Decision, Facts, Target},
    tool::Tool,
};

/// Why an object is not shown.
const UNREADABLE: &str = "before, after and diff: no rule lets you `get` it with `-o yaml`";

/// Draws what of a preview the caller of `target` is shown, but what is `unshown`.
pub(super) fn show(preview: &mut Preview, parts: &Parts, target: &Target, unshown: &Unshown) {
    let clean = |text: &str| Sanitizer::of(unshown).whole(text.as_bytes());
    for object in &mut preview.objects {
        let is_shown = object.change == ObjectChange::Create || may_read(object, parts, target);
        if !is_shown {
            object.leave_out(UNREADABLE);
        }
    }
    preview.draw(clean);
}

/// Whether the rules in force let the caller read an object whole.
fn may_read(object: &PreviewedObject, parts: &Parts, target: &Target) -> bool {
    let tool = Tool::KUBECTL;
    let Some(catalogue) = parts.inventory.expected(tool) else {
        return false;
    };
    let line = |resource: &str| format!("get {resource} {} -o yaml", object.name);
    let namespace = object.namespace.as_deref();
    [object.resource.clone(), object.versioned()]
        .iter()
        .any(|resource| {
            let line = line(resource);
            let stages = split_stages(tool, &line).ok();
            let read = stages.and_then(|stages| parse(catalogue, stages.command, namespace).ok());
            read.is_some_and(|invocation| {
                let facts = Facts::new(&invocation, target).at(SystemTime::now());
                matches!(parts.policy().decide(facts), Decision::Allow(_))
            })
        })
}
