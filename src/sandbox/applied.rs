//! The layers that a child applied, as it reports them itself.
//!
//! Comes in: the state that each step of [`confine`](super::child::confine) returns. Goes out: a
//! report of fixed size, and the statuses that are made of it. Nothing here is derived from the
//! settings, but what [`KnownLayers`] expects until a child has reported it: a layer whose step did
//! not run is missing, and a child that lacks a layer which is required does not run its program.
//!
//! Held by `a_step_that_is_left_out_shows_and_no_program_runs` below, which leaves each step out.

use std::sync::{Mutex, PoisonError};

use super::{
    landlock,
    layer::{Layer, LayerState, LayerStatus, Level, Levels, StatusSource},
    privilege::ChildUser,
};

/// The state of every layer in one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Applied([LayerState; Layer::ALL.len()]);

impl Applied {
    /// The length of a report.
    pub(super) const BYTES: usize = Layer::ALL.len();

    /// The states before any step: every layer is missing until its step has returned.
    pub(super) fn nothing() -> Self {
        Self([LayerState::Missing; Self::BYTES])
    }

    /// Notes what the step of a layer returned.
    pub(super) fn record(&mut self, layer: Layer, state: LayerState) {
        if let Some(place) = self.0.get_mut(layer as usize) {
            *place = state;
        }
    }

    fn state(&self, layer: Layer) -> LayerState {
        let state = self.0.get(layer as usize).copied();
        state.unwrap_or(LayerState::Missing)
    }

    /// The first layer that is required and missing.
    pub(super) fn lacks(&self, levels: &Levels) -> Option<Layer> {
        Layer::ALL
            .into_iter()
            .find(|layer| levels.of(*layer) == Level::Require && self.state(*layer).is_missing())
    }

    /// The states as a report.
    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        self.0.map(|state| state as u8)
    }

    /// Reads a report. What is no state is no proof of one.
    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes.map(|byte| {
            LayerState::ALL
                .into_iter()
                .find(|state| *state as u8 == byte)
                .unwrap_or(LayerState::Missing)
        }))
    }

    /// The states as statuses.
    pub(super) fn statuses(&self) -> Vec<LayerStatus> {
        let status = |layer| LayerStatus {
            layer,
            state: self.state(layer),
            source: StatusSource::Reported,
        };
        Layer::ALL.into_iter().map(status).collect()
    }
}

/// The state of a layer in every child of a host, as far as settings and kernel say.
pub(super) fn expected(levels: &Levels, user: ChildUser) -> Vec<LayerStatus> {
    let state = |layer| match layer {
        layer if !levels.has(layer) => LayerState::Off,
        Layer::User if user == ChildUser::Shared => LayerState::NotApplicable,
        layer => landlock::expected(layer).unwrap_or(LayerState::Enforced),
    };
    let status = |layer| LayerStatus {
        layer,
        state: state(layer),
        source: StatusSource::Expected,
    };
    Layer::ALL.into_iter().map(status).collect()
}

/// The state of each layer in the last child that it applied to, and what is expected of those that
/// no child has reported yet.
#[derive(Debug)]
pub(super) struct KnownLayers(Mutex<Vec<LayerStatus>>);

impl KnownLayers {
    pub(super) fn new(levels: &Levels, user: ChildUser) -> Self {
        Self(Mutex::new(expected(levels, user)))
    }

    /// Takes over what a child has reported. A layer that did not apply to it stays as it is known
    /// from others: a tool that prints its help has no connections.
    pub(super) fn learn(&self, applied: &Applied) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (known, reported) in known.iter_mut().zip(applied.statuses()) {
            if reported.state != LayerState::NotApplicable || known.state == reported.state {
                *known = reported;
            }
        }
    }

    pub(super) fn statuses(&self) -> Vec<LayerStatus> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs::File,
        io::Read,
        os::{fd::OwnedFd, unix::net::UnixDatagram},
    };

    use nix::{
        errno::Errno,
        fcntl::OFlag,
        sys::wait::{WaitStatus, waitpid},
        unistd::{geteuid, pipe2},
    };

    use super::*;
    use crate::sandbox::{
        child::{ChildFiles, Plan, Reported, Restrictions, become_tool},
        failure::{StartFailure, StartPart, StartStep},
        message::Limits,
        privilege::Identity,
        profile::{ProfileName, Profiles},
        sys::{self, Words},
    };

    fn all(level: Level) -> Levels {
        Levels::new(BTreeMap::from(Layer::ALL.map(|layer| (layer, level))))
    }

    /// The report of a child in which the step of a layer is left out. Its tool is no program, so
    /// that a child which would run it reports that as its failure.
    fn report(profiles: &Profiles, levels: &Levels, left_out: Option<Layer>) -> Vec<u8> {
        let null = || OwnedFd::from(File::open("/dev/null").unwrap());
        let (_ours, supervisor) = UnixDatagram::pair().unwrap();
        let files = ChildFiles {
            tool: null(),
            directory: None,
            helper: None,
        };
        let limits = Limits {
            memory_bytes: 1 << 30,
            cpu_seconds: 30,
        };
        let identity = geteuid().is_root().then(|| Identity::new(71_000)); // no server's on the machine of the tests
        let profile = profiles.get(ProfileName::Plain);
        let streams = [null(), null(), null()];
        let restrictions =
            Restrictions::new(levels, profile, files, streams, limits, identity).unwrap();
        let plan = Plan {
            restrictions: Restrictions {
                supervisor: Some(supervisor.into()),
                left_out,
                ..restrictions
            },
            argv: Words::new(vec![c"none".into()]),
            environment: Words::new(Vec::new()),
        };
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let writer = File::from(writer);
        let sys::Forked::Parent(pid) = sys::fork().unwrap() else {
            become_tool(&plan, &writer);
        };
        drop(writer);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 125)));
        let mut report = Vec::new();
        File::from(reader).read_to_end(&mut report).unwrap();
        report
    }

    #[test]
    fn a_step_that_is_left_out_shows_and_no_program_runs() {
        let profiles = Profiles::load().unwrap();
        let came_to_exec = StartFailure::new(StartPart::Exec, StartStep::Execute, Errno::EACCES);
        for layer in Layer::ALL {
            // The filter that notifies cannot be installed without no_new_privs.
            let levels = |level| match layer {
                Layer::NoNewPrivileges => all(level).without(Layer::Egress),
                _ => all(level),
            };
            let required = report(&profiles, &levels(Level::Require), Some(layer));
            let lacks = StartFailure::new(layer, StartStep::ReportLayer, Errno::EOPNOTSUPP);
            assert_eq!(
                Reported::read(&required),
                Reported::Failed(lacks),
                "{layer}"
            );

            let preferred = levels(Level::Prefer);
            let [whole, left_out] = [None, Some(layer)].map(|left_out| {
                let report = report(&profiles, &preferred, left_out);
                assert_eq!(
                    Reported::read(&report),
                    Reported::Failed(came_to_exec),
                    "{layer}"
                );
                Reported::split(&report).unwrap().0
            });
            let mut expected = whole;
            expected.record(layer, LayerState::Missing);
            assert_ne!(whole, expected, "{layer} is in force with its step");
            assert_eq!(left_out, expected, "{layer} and no other is missing");
        }
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_nothing_else_is_a_state() {
        let mut applied = Applied::nothing();
        for (layer, state) in Layer::ALL.into_iter().zip(LayerState::ALL) {
            applied.record(layer, state);
        }
        assert_eq!(Applied::from_bytes(applied.bytes()), applied);
        let unknown = Applied::from_bytes([b'x'; Applied::BYTES]);
        assert_eq!(unknown, Applied::nothing());
        assert_eq!(unknown.lacks(&Levels::default()), Some(Layer::Session));
        assert_eq!(unknown.lacks(&all(Level::Prefer)), None);
    }

    #[test]
    fn a_layer_is_expected_until_a_child_that_it_applies_to_reports_it() {
        let known = KnownLayers::new(&Levels::default(), ChildUser::Own);
        let of = |known: &KnownLayers, layer: Layer| {
            let statuses = known.statuses();
            let status = statuses.iter().find(|status| status.layer == layer);
            status.map(|status| (status.state, status.source)).unwrap()
        };
        assert_eq!(
            of(&known, Layer::Egress),
            (LayerState::Enforced, StatusSource::Expected)
        );
        let mut applied = Applied::nothing();
        applied.record(Layer::Egress, LayerState::NotApplicable);
        applied.record(Layer::Seccomp, LayerState::Enforced);
        known.learn(&applied);
        assert_eq!(
            [Layer::Egress, Layer::Seccomp, Layer::Session].map(|layer| of(&known, layer)),
            [
                (LayerState::Enforced, StatusSource::Expected),
                (LayerState::Enforced, StatusSource::Reported),
                (LayerState::Missing, StatusSource::Reported),
            ]
        );
    }
}
