//! One tool that cannot be built, beside others that can.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::tools;

/// A cache of tools that has one of the real one's, built.
fn cache_with(tool: &str) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let built = fs::canonicalize(tools().join(tool)).unwrap();
    let folder = built.parent().unwrap();
    let there = cache.path().join("tools").join(folder.file_name().unwrap());
    fs::create_dir_all(&there).unwrap();
    fs::copy(&built, there.join(built.file_name().unwrap())).unwrap();
    cache
}

#[test]
fn a_tool_that_cannot_be_built_leaves_the_others_alone_and_is_named() {
    let cache = cache_with("filters/gojq");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build = |arguments: &[&str]| {
        // A busybox that is not static is none.
        Command::new(root.join("tools/build"))
            .args(arguments)
            .env("AIRLOCK_CACHE", cache.path())
            .env("AIRLOCK_BUSYBOX", "/bin/true")
            .output()
            .unwrap()
    };
    let built = build(&["busybox", "gojq"]);
    let told = String::from_utf8(built.stderr).unwrap();
    assert_eq!(built.status.code(), Some(1), "{told}");
    assert!(
        told.contains("tools: busybox: not built; the others are built all the same")
            && told.ends_with("tools: not built: busybox; the reasons are above\n"),
        "{told}"
    );
    let folder = String::from_utf8(build(&["--bin"]).stdout).unwrap();
    let filters = PathBuf::from(folder.trim()).join("filters");
    assert!(filters.join("gojq").exists(), "{told}");
    assert!(!filters.join("busybox.building").exists());
}
