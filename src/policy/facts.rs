//! What rules judge: one value, so that a further fact is a field and not an argument of each
//! function of the room.

use std::time::SystemTime;

use super::target::Target;
use crate::{
    command::{Filter, Invocation, Namespaces},
    manifest::ManifestObject,
};

/// Everything that rules know of a call. Borrowed: what may run is copied out of it once, when the
/// decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The parsed command.
    pub(super) invocation: &'a Invocation,
    /// Who sends it, and what it is aimed at beyond its own words.
    pub(super) target: &'a Target,
    /// Whether the command is as rules left it.
    is_final: bool,
    /// Whether a filter reads what the command prints.
    pub(super) is_piped: bool,
    /// What its output goes through.
    pub(super) filters: &'a [Filter],
    /// The objects that it carries.
    pub(super) objects: &'a [ManifestObject],
    /// The moment. Where it is not known, no rule about hours allows anything, and each of them
    /// denies and asks.
    pub(super) now: Option<SystemTime>,
}

/// The namespace of a call: that of the objects that it carries and that name none.
pub fn namespace_of_call<'a>(invocation: &'a Invocation, target: &'a Target) -> &'a str {
    let named = match invocation.namespaces(&target.namespace) {
        Namespaces::These(named) => named.first().copied(),
        Namespaces::All => None,
    };
    named.unwrap_or(&target.namespace)
}

impl<'a> Facts<'a> {
    /// Puts together what is known of a call without filters.
    pub fn new(invocation: &'a Invocation, target: &'a Target) -> Self {
        Self {
            invocation,
            target,
            is_final: false,
            is_piped: false,
            filters: &[],
            objects: &[],
            now: None,
        }
    }

    /// The same call, with or without a filter behind its command.
    pub fn piped(self, is_piped: bool) -> Self {
        Self { is_piped, ..self }
    }

    /// The same of the command as rules leave it, of which no value is brought down any more.
    pub(super) fn of_what_runs(self, invocation: &'a Invocation) -> Self {
        Self {
            invocation,
            is_final: true,
            ..self
        }
    }

    /// Whether a rule accepts a value that it would bring down.
    pub(super) fn brings_down(&self) -> bool {
        !self.is_final
    }

    /// The same, whose output goes through these filters.
    #[must_use]
    pub fn through(self, filters: &'a [Filter]) -> Self {
        Self {
            filters,
            is_piped: !filters.is_empty(),
            ..self
        }
    }

    /// The same of a command that carries these objects.
    #[must_use]
    pub fn carrying(self, objects: &'a [ManifestObject]) -> Self {
        Self { objects, ..self }
    }

    /// The same at this moment.
    #[must_use]
    pub fn at(self, now: SystemTime) -> Self {
        Self {
            now: Some(now),
            ..self
        }
    }
}
