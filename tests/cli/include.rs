//! Which files does a policy read that includes others, and which not?

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{airlock, text};

const READING: &str = "schema = 1\n[[rule]]\nid = \"look\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nresources = [\"pods\"]\n";

/// A folder with `team.toml`, which includes `entry`.
fn folder(entry: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let team = folder.path().join("team.toml");
    fs::write(&team, format!("schema = 1\ninclude = [\"{entry}\"]\n")).unwrap();
    (folder, team)
}

fn explained(policy: &str, command: &str) -> String {
    let output = airlock(
        &["policy", "explain", "--policy", policy, "--", command],
        "",
    );
    text(&output.stdout) + &text(&output.stderr)
}

/// What `policy check --short` prints of a policy that does not load.
fn refused(team: &Path) -> String {
    let output = airlock(&["policy", "check", "--short", team.to_str().unwrap()], "");
    assert!(!output.status.success());
    text(&output.stdout)
}

#[test]
fn a_file_beside_is_included_and_shown_with_its_place() {
    let (folder, team) = folder("parts/reading.toml");
    fs::create_dir(folder.path().join("parts")).unwrap();
    fs::write(folder.path().join("parts/reading.toml"), READING).unwrap();
    let told = explained(team.to_str().unwrap(), "kubectl get pods");
    assert!(
        told.starts_with("allow: ") && told.contains("look (parts/reading.toml:3) matches"),
        "{told}"
    );
    let checked = text(&airlock(&["policy", "check", team.to_str().unwrap()], "").stdout);
    assert!(
        checked.ends_with(": ok, with parts/reading.toml: 1 rules, 0 examples and tests\n"),
        "{checked}"
    );
}

#[test]
fn the_links_of_a_config_map_lead_to_files_that_change_together() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("..2026");
    fs::create_dir(&data).unwrap();
    let team = "schema = 1\ninclude = [\"reading.toml\"]\n";
    fs::write(data.join("team.toml"), team).unwrap();
    fs::write(data.join("reading.toml"), READING).unwrap();
    symlink("..2026", folder.path().join("..data")).unwrap();
    let mounted = folder.path().join("team.toml");
    symlink("..data/team.toml", &mounted).unwrap();
    let told = explained(mounted.to_str().unwrap(), "kubectl get pods");
    assert!(told.starts_with("allow: "), "{told}");
}

#[test]
fn what_lies_elsewhere_or_is_no_file_is_not_read() {
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret.toml");
    fs::write(&secret, READING).unwrap();
    let (inside, team) = folder("reading.toml");
    let reading = inside.path().join("reading.toml");

    assert!(refused(&team).contains("reading.toml cannot be read: No such file"));
    symlink(&secret, &reading).unwrap();
    let told = refused(&team);
    assert!(
        told.contains("team.toml:2:12: ") && told.contains("secret.toml, out of the folder"),
        "{told}"
    );
    fs::remove_file(&reading).unwrap();
    nix::unistd::mkfifo(&reading, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(&team).contains("reading.toml is no file"));
    fs::remove_file(&reading).unwrap();
    fs::write(&reading, " ".repeat((1 << 20) + 1)).unwrap();
    assert!(refused(&team).contains("reading.toml is longer than 1 MiB"));
}

#[test]
fn a_built_in_policy_is_named_like_a_file() {
    let told = explained("builtin:standard", "kubectl delete pod web-0 -n shop");
    assert!(
        told.starts_with("confirm: ") && told.contains("delete (standard.toml:"),
        "{told}"
    );
    let told = explained("builtin:standart", "kubectl get pods");
    assert!(
        told.contains("there is no built-in policy `standart`; there are admin, "),
        "{told}"
    );
    let shown = text(&airlock(&["policy", "show", "standard"], "").stdout);
    assert_eq!(shown, include_str!("../../policy/standard.toml"));
    let flat = text(&airlock(&["policy", "show", "--flat", "builtin:standard"], "").stdout);
    assert!(!flat.contains("include = ") && flat.contains("id = \"logs-follow\""));
}

#[test]
fn the_including_policy_of_the_tutorial_loads() {
    let tutorial = include_str!("../../docs/policy.md");
    let example = tutorial.split("```toml\n").nth(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("parts")).unwrap();
    fs::write(folder.path().join("parts/restarts.toml"), "schema = 1\n").unwrap();
    let team = folder.path().join("team.toml");
    fs::write(&team, example.split("```").next().unwrap()).unwrap();
    let output = airlock(&["policy", "check", team.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", text(&output.stdout));
}
