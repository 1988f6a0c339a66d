//! The ruleset of one child: its program, its own directory if it has one, what its profile reads;
//! nothing to write, nothing to connect to.

use std::{fs::File, os::fd::BorrowedFd, path::PathBuf};

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::{
    layer::{Layer, LayerState, LayerStatus, Level, Levels},
    sys,
};

/// What this kernel's Landlock can do: the layers that every child will report.
pub(super) fn statuses() -> Vec<LayerStatus> {
    let abi = sys::landlock_abi();
    let since = |layer, needed| LayerStatus {
        layer,
        state: if abi >= needed {
            LayerState::Enforced
        } else {
            LayerState::Missing
        },
    };
    // Files since ABI 2 (Linux 5.19: links across directories too), TCP since 4, scopes since 6.
    vec![
        since(Layer::LandlockFs, 2),
        since(Layer::LandlockNet, 4),
        since(Layer::LandlockScope, 6),
    ]
}

/// What a child with a helper has besides.
pub(super) struct Helper<'a> {
    /// It may be run.
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

/// Builds the ruleset. What is required fails where the kernel lacks it; what is preferred, and
/// what newer kernels add to files (truncation, device ioctls), is taken where it is. `None` when
/// no layer of Landlock is wanted.
pub(super) fn ruleset(
    levels: &Levels,
    tool: BorrowedFd<'_>,
    workspace: Option<BorrowedFd<'_>>,
    readable: &[PathBuf],
    helper: Option<Helper<'_>>,
) -> Result<Option<RulesetCreated>, RulesetError> {
    if ![Layer::LandlockFs, Layer::LandlockNet, Layer::LandlockScope]
        .into_iter()
        .any(|layer| levels.has(layer))
    {
        return Ok(None);
    }
    let strict = |layer| match levels.of(layer) {
        Level::Require => CompatLevel::HardRequirement,
        Level::Prefer | Level::Off => CompatLevel::BestEffort,
    };
    let mut ruleset = Ruleset::default();
    if levels.has(Layer::LandlockFs) {
        ruleset = ruleset
            .set_compatibility(strict(Layer::LandlockFs))
            .handle_access(AccessFs::from_all(ABI::V2))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?;
    }
    if levels.has(Layer::LandlockNet) {
        ruleset = ruleset
            .set_compatibility(strict(Layer::LandlockNet))
            .handle_access(AccessNet::from_all(ABI::V4))?;
    }
    if levels.has(Layer::LandlockScope) {
        ruleset = ruleset
            .set_compatibility(strict(Layer::LandlockScope))
            .scope(Scope::from_all(ABI::V6))?;
    }
    let mut ruleset = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .create()?;
    if levels.has(Layer::LandlockFs) {
        ruleset = ruleset.add_rule(PathBeneath::new(
            tool,
            AccessFs::Execute | AccessFs::ReadFile,
        ))?;
        if let Some(workspace) = workspace {
            ruleset = ruleset.add_rule(PathBeneath::new(
                workspace,
                AccessFs::ReadFile | AccessFs::ReadDir,
            ))?;
        }
        if let Some(Helper { program, scratch }) = helper {
            ruleset = ruleset
                .add_rule(PathBeneath::new(
                    program,
                    AccessFs::Execute | AccessFs::ReadFile,
                ))?
                .add_rule(PathBeneath::new(scratch, to_write()))?;
        }
        // A host has some of them; what is not there cannot be read.
        for file in readable.iter().filter_map(|path| File::open(path).ok()) {
            ruleset = ruleset.add_rule(PathBeneath::new(file, AccessFs::ReadFile))?;
        }
    }
    Ok(Some(ruleset))
}
