//! Does every room use only rooms above it?
//!
//! `lib.rs` lists the rooms in the order in which a request travels; this reads the `use crate::`
//! and `crate::` paths of every source file and holds them to it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

use std::{fs, path::Path};

/// The source files of one room.
fn files(room: &str) -> Vec<std::path::PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let single = source.join(format!("{room}.rs"));
    if single.exists() {
        return vec![single];
    }
    let mut found = Vec::new();
    let mut folders = vec![source.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                &mut folders
            } else {
                &mut found
            }
            .push(path);
        }
    }
    found.sort();
    found
}

/// The rooms that a file names behind `crate::`, in single paths and in `use crate::{a, b::c}`.
fn named(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            ),
            Some(list) => {
                let mut depth = 0;
                let mut name = String::new();
                for character in list.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => rooms.push(std::mem::take(&mut name)),
                        character if depth == 0 => name.push(character),
                        _ => {}
                    }
                }
                rooms.push(name);
            }
        }
    }
    rooms
        .into_iter()
        .map(|name| name.trim().split("::").next().unwrap().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn a_room_uses_only_rooms_above_it() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let rooms: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(rooms.len() > 15, "{rooms:?}");
    let mut wrong = Vec::new();
    for (place, room) in rooms.iter().enumerate() {
        for file in files(room) {
            for used in named(&fs::read_to_string(&file).unwrap()) {
                if used != *room && !rooms[..place].contains(&used.as_str()) {
                    wrong.push(format!(
                        "{} uses {used}, which stands below {room}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The crate denies unsafe code (`Cargo.toml`), which a file could allow for itself: `sandbox::sys`
/// does. No other room can, nor any file of it.
#[test]
fn every_room_but_the_sandbox_forbids_unsafe_code() {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let rooms = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|room| *room != "sandbox");
    for room in rooms {
        let files = files(room);
        let head = files
            .iter()
            .filter(|file| file.ends_with("mod.rs"))
            .min_by_key(|file| file.components().count())
            .unwrap_or(&files[0]);
        assert!(
            fs::read_to_string(head)
                .unwrap()
                .contains("#![forbid(unsafe_code)]"),
            "{room} does not forbid unsafe code"
        );
    }
}
