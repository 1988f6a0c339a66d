//! The rulesets of one child: its program, its own directory if it has one, what its profile reads;
//! nothing to write, nothing to connect to.
//!
//! Each layer has a ruleset of its own, so that the status that Landlock returns for it is about
//! nothing else, and what it enforces in part is never shown as enforced. Held by the battery's
//! `each_alone`, and by the test of [`applied`](super::applied).

use std::{error::Error as _, fs::File, io, os::fd::BorrowedFd, path::PathBuf};

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath,
    RestrictSelfError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};
use nix::errno::Errno;

use super::{
    failure::{StartFailure, StartStep, errno_of},
    layer::{Layer, LayerState, Level, Levels},
    sys,
};

/// The state that this kernel's version lets one expect of a layer; `None` for a layer that is not
/// Landlock's.
pub(super) fn expected(layer: Layer) -> Option<LayerState> {
    let abi = sys::landlock_abi();
    let all_since = |needed| {
        if abi >= needed {
            LayerState::Enforced
        } else {
            LayerState::Missing
        }
    };
    match layer {
        // Links across directories since ABI 2 (Linux 5.19), truncation since 3, device ioctls
        // since 5.
        Layer::LandlockFs if (2..5).contains(&abi) => Some(LayerState::Partial),
        Layer::LandlockFs => Some(all_since(2)),
        Layer::LandlockNet => Some(all_since(4)),
        Layer::LandlockScope => Some(all_since(6)),
        _ => None,
    }
}

/// What a child with a helper may do besides.
pub(super) struct Helper<'a> {
    /// May be run.
    pub(super) program: BorrowedFd<'a>,
    /// Files and folders may be made there, and nothing be run.
    pub(super) scratch: BorrowedFd<'a>,
}

fn to_write() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
}

/// The rulesets of a child, each where its layer is not off.
pub(super) struct Rulesets {
    pub(super) files: Option<RulesetCreated>,
    pub(super) network: Option<RulesetCreated>,
    pub(super) scope: Option<RulesetCreated>,
}

impl Rulesets {
    /// Makes the rulesets. A layer that is required fails where the kernel lacks it.
    ///
    /// # Errors
    /// The layer, and the call that failed for it.
    pub(super) fn new(
        levels: &Levels,
        tool: BorrowedFd<'_>,
        workspace: Option<BorrowedFd<'_>>,
        readable: &[PathBuf],
        helper: Option<Helper<'_>>,
    ) -> Result<Self, StartFailure> {
        let made = |layer, make: &dyn Fn(CompatLevel) -> Result<RulesetCreated, RulesetError>| {
            let compatibility = match levels.of(layer) {
                Level::Require => CompatLevel::HardRequirement,
                Level::Prefer => CompatLevel::BestEffort,
                Level::Off => return Ok(None),
            };
            make(compatibility)
                .map(Some)
                .map_err(|error| failure(layer, &error))
        };
        Ok(Self {
            files: made(Layer::LandlockFs, &|compatibility| {
                files(compatibility, tool, workspace, readable, helper.as_ref())
            })?,
            network: made(Layer::LandlockNet, &|compatibility| {
                Ruleset::default()
                    .set_compatibility(compatibility)
                    .handle_access(AccessNet::from_all(ABI::V4))?
                    .create()
            })?,
            scope: made(Layer::LandlockScope, &|compatibility| {
                Ruleset::default()
                    .set_compatibility(compatibility)
                    .scope(Scope::from_all(ABI::V6))?
                    .create()
            })?,
        })
    }
}

/// Makes the ruleset of files. What newer kernels add to them (truncation, device ioctls) is taken
/// where it is, at every level.
fn files(
    compatibility: CompatLevel,
    tool: BorrowedFd<'_>,
    workspace: Option<BorrowedFd<'_>>,
    readable: &[PathBuf],
    helper: Option<&Helper<'_>>,
) -> Result<RulesetCreated, RulesetError> {
    let to_run = AccessFs::Execute | AccessFs::ReadFile;
    let mut ruleset = Ruleset::default()
        .set_compatibility(compatibility)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .create()?
        .add_rule(PathBeneath::new(tool, to_run))?;
    if let Some(workspace) = workspace {
        let to_read = AccessFs::ReadFile | AccessFs::ReadDir;
        ruleset = ruleset.add_rule(PathBeneath::new(workspace, to_read))?;
    }
    if let Some(Helper { program, scratch }) = helper {
        ruleset = ruleset
            .add_rule(PathBeneath::new(program, to_run))?
            .add_rule(PathBeneath::new(scratch, to_write()))?;
    }
    // A host has some of them; what is not there cannot be read.
    for file in readable.iter().filter_map(|path| File::open(path).ok()) {
        ruleset = ruleset.add_rule(PathBeneath::new(file, AccessFs::ReadFile))?;
    }
    Ok(ruleset)
}

/// Restricts this process for good, and returns what Landlock says that it enforces.
pub(super) fn restrict(
    layer: Layer,
    ruleset: Option<&RulesetCreated>,
) -> Result<LayerState, StartFailure> {
    let Some(ruleset) = ruleset else {
        return Ok(LayerState::Missing);
    };
    let own = ruleset
        .try_clone()
        .map_err(StartFailure::at(layer, StartStep::RestrictSelf))?;
    let status = own
        .restrict_self()
        .map_err(|error| failure(layer, &error))?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => LayerState::Enforced,
        RulesetStatus::PartiallyEnforced => LayerState::Partial,
        RulesetStatus::NotEnforced => LayerState::Missing,
    })
}

/// The call behind an error of the crate, and the kernel's answer; without one, the kernel was not
/// asked for what it does not have.
fn failure(layer: Layer, error: &RulesetError) -> StartFailure {
    let step = match error {
        RulesetError::AddRules(_) => StartStep::AddRule,
        RulesetError::RestrictSelf(RestrictSelfError::SetNoNewPrivsCall { .. }) => {
            StartStep::SetNoNewPrivileges
        }
        RulesetError::RestrictSelf(_) => StartStep::RestrictSelf,
        _ => StartStep::CreateRuleset,
    };
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    StartFailure::new(layer, step, source.map_or(Errno::EOPNOTSUPP, errno_of))
}
