//! Where the programs are that children run, and which of them are to be trusted.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::message::{Program, ToolAbsence};
use crate::trusted;

/// Where each program's binary is expected.
pub type ProgramPaths = Vec<(Program, PathBuf)>;

/// Opens a tool that nobody but its owner, root or this user, can change, or replace.
pub(super) fn open_trusted(path: &Path) -> Result<fs::File, ToolAbsence> {
    let mut building = path.as_os_str().to_owned();
    building.push(".building");
    let absent = || {
        if Path::new(&building).exists() {
            ToolAbsence::Building
        } else {
            ToolAbsence::Missing
        }
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
        Err(error) => {
            return Err(ToolAbsence::Untrusted(format!(
                "it cannot be opened: {}",
                error.kind()
            )));
        }
    };
    let untrusted = |why: &str| Err(ToolAbsence::Untrusted(why.to_owned()));
    let Ok(metadata) = file.metadata() else {
        return untrusted("it cannot be read");
    };
    if !metadata.is_file() {
        return untrusted("it is no plain file");
    }
    if metadata.mode() & 0o022 != 0 {
        return untrusted("its group or everybody may change it (chmod go-w)");
    }
    if metadata.mode() & 0o111 == 0 {
        return untrusted("it is not executable");
    }
    if metadata.uid() != 0 && metadata.uid() != nix::unistd::geteuid().as_raw() {
        return untrusted("it belongs to neither root nor the user of this server");
    }
    if let Err(error) = trusted::in_trusted_folders(path) {
        return untrusted(&error.to_string());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_tool_that_others_may_replace_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("kubectl");
        fs::write(&tool, "x").unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&tool, 0o755);
        assert!(open_trusted(&tool).is_ok());
        mode(folder.path(), 0o777);
        match open_trusted(&tool) {
            Err(ToolAbsence::Untrusted(why)) => assert!(why.contains("chmod o-w"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
