//! Does every room use only rooms above it, and every file only files that do not use it?
//!
//! `lib.rs` lists the rooms in order; this reads the paths of every source file and holds them to
//! it. Within a room the same paths may make no circle. One name names one type, the tests that comments
//! name are there, and a proof that is forged in a `compile_fail` would be whole.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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

/// A source file as the compiler sees it: where it stands, and what it says without its comments
/// and its unit tests.
struct Source {
    /// `["sandbox", "doctor", "probe"]`
    module: Vec<String>,
    code: String,
}

/// Every source file but those of unit tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "tests" && path.extension().is_some_and(|kind| kind == "rs") {
                sources.push(Source {
                    module: module_of(&root, &path),
                    code: code_of(&path),
                });
            }
        }
    }
    sources
}

fn module_of(root: &Path, file: &Path) -> Vec<String> {
    let inside: PathBuf = file.strip_prefix(root).unwrap().with_extension("");
    let words = inside.iter().map(|word| word.to_str().unwrap().to_owned());
    words.filter(|word| word != "mod").collect()
}

fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("\nmod tests {").next().unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.fold(String::new(), |code, line| code + line + "\n");
    code.replace("(in crate::", "(") // who may see it is no use of it
}

/// Every path of a file: those of its `use` declarations, each list written out, and those that
/// stand in its code.
fn paths(code: &str) -> Vec<Vec<String>> {
    fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
        let (mut depth, mut from) = (0, 0);
        let mut items = Vec::new();
        for (at, character) in tree.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    items.push(&tree[from..at]);
                    from = at + 1;
                }
                _ => {}
            }
        }
        items.push(&tree[from..]);
        let items = items.into_iter().map(str::trim);
        for item in items.filter(|item| !item.is_empty()) {
            let (path, list) = item.split_once('{').unwrap_or((item, ""));
            let words = path.split("::").map(str::trim);
            let words = words.filter(|word| !word.is_empty()).map(str::to_owned);
            let path: Vec<String> = before.iter().cloned().chain(words).collect();
            match list.strip_suffix('}') {
                Some(list) => expand(list, &path, paths),
                None => paths.push(path),
            }
        }
    }
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let starts_a_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        if starts_a_word {
            expand(&rest[at + "use ".len()..end], &[], &mut found);
        }
        rest = &rest[if starts_a_word { end } else { at + 1 }..];
    }
    let is_of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    // What ends in `::` begins a list, which is read above.
    let in_code = code
        .split(|c| !is_of_a_path(c))
        .filter(|path| path.contains("::") && !path.ends_with("::"));
    found.extend(in_code.map(|path| path.split("::").map(str::to_owned).collect()));
    found
}

/// The file that a path in `module` leads to, when it is one of ours.
fn file_of(
    path: &[String],
    module: &[String],
    files: &BTreeSet<Vec<String>>,
) -> Option<Vec<String>> {
    let mut words = path.iter().map(String::as_str).peekable();
    let mut at = match *words.peek()? {
        "crate" => Vec::new(),
        "super" | "self" => module.to_vec(),
        first => {
            let child: Vec<String> = module.iter().cloned().chain([first.to_owned()]).collect();
            files.contains(&child).then(|| module.to_vec())?
        }
    };
    for word in words {
        match word {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            word => {
                at.push(word.to_owned());
                if !files.contains(&at) {
                    at.pop();
                    break;
                }
            }
        }
    }
    files.contains(&at).then_some(at)
}

#[test]
fn no_two_files_use_each_other() {
    let sources = sources();
    let files: BTreeSet<Vec<String>> = sources.iter().map(|file| file.module.clone()).collect();
    let mut uses: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for Source { module, code } in &sources {
        let used = paths(code);
        let used = used.iter().filter_map(|path| file_of(path, module, &files));
        let used = used.filter(|used| used != module && used[0] == module[0]);
        uses.entry(module.clone()).or_default().extend(used);
    }
    assert!(
        uses.values().map(BTreeSet::len).sum::<usize>() > 200,
        "paths are not read"
    );
    // What no file uses that is left, and what uses none that is left, is in no circle.
    loop {
        let used: BTreeSet<Vec<String>> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        uses.retain(|file, of_file| !of_file.is_empty() && used.contains(file));
        let left: BTreeSet<Vec<String>> = uses.keys().cloned().collect();
        uses.values_mut()
            .for_each(|used| used.retain(|file| left.contains(file)));
        if uses.len() == before {
            break;
        }
    }
    let circles = uses.iter().map(|(file, used)| {
        let used: Vec<String> = used.iter().map(|file| file.join("::")).collect();
        format!("{} uses {}", file.join("::"), used.join(", "))
    });
    let circles: Vec<String> = circles.collect();
    assert!(
        circles.is_empty(),
        "files in circles:\n{}",
        circles.join("\n")
    );
}

#[test]
fn a_type_name_has_one_meaning() {
    let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Source { module, code } in sources() {
        for line in code.lines() {
            let line = match line.strip_prefix("pub(") {
                Some(line) => line.split_once(") ").map_or(line, |(_, line)| line),
                None => line.strip_prefix("pub ").unwrap_or(line),
            };
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).collect();
            if let ["struct" | "enum" | "union" | "trait" | "type", name, ..] = words[..] {
                declared
                    .entry(name.to_owned())
                    .or_default()
                    .push(module.join("::"));
            }
        }
    }
    assert!(
        declared.len() > 300,
        "declarations are not read: {}",
        declared.len()
    );
    declared.retain(|_, places| places.len() > 1);
    assert!(declared.is_empty(), "{declared:#?}");
}

/// `docs/design.md` names the tests that hold each invariant.
#[test]
fn every_test_that_an_invariant_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let design = fs::read_to_string(root.join("docs/design.md")).unwrap();
    let section = design.split("## Invariants\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let names = section.split('`').skip(1).step_by(2);
    let names = names.filter(|name| name.contains('_') && !name.contains(['(', '/', '.', '=']));
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 15, "{names:?}");
    let mut folders = vec![root.join("src"), root.join("tests")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let missing: Vec<&str> = names
        .into_iter()
        // A program without the test harness prints its tests' names itself.
        .filter(|name| {
            !code.contains(&format!("fn {name}(")) && !code.contains(&format!("test {name} ... ok"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The text of every source file, with its comments.
fn texts() -> Vec<(PathBuf, String)> {
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let rooms = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let files = rooms.flat_map(files);
    files
        .map(|file| (file.clone(), fs::read_to_string(file).unwrap()))
        .collect()
}

#[test]
fn the_tests_that_comments_and_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = texts();
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.clone(), fs::read_to_string(path).unwrap()));
    }
    let (mut count, mut missing) = (0, Vec::new());
    for (file, text) in texts {
        for (_, rest) in text
            .match_indices("`tests/")
            .map(|at| text.split_at(at.0 + 1))
        {
            let named = rest.split('`').next().unwrap();
            // A pattern, or a command line, is no file.
            if named.contains(['*', ' ', '<', '\n']) {
                continue;
            }
            count += 1;
            if !root.join(named).exists() {
                missing.push(format!("{}: {named}", file.display()));
            }
        }
    }
    assert!(count > 100, "references are not read: {count}");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A compiler may take any error for the one that is expected: a forged value that lacks a field
/// does not compile either, and proves nothing.
#[test]
fn a_forged_proof_has_the_fields_of_its_type() {
    let fields = |text: &str, opening: &str| -> Option<BTreeSet<String>> {
        let (_, body) = text.split_once(opening)?;
        let names = body.split('\n').take_while(|line| *line != "}");
        let names = names.filter_map(|line| {
            let line = line.strip_prefix("    ")?;
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            let (name, _) = line.strip_prefix("pub ").unwrap_or(line).split_once(": ")?;
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
            is_name.then(|| name.to_owned())
        });
        Some(names.collect())
    };
    let mut count = 0;
    for (file, text) in texts() {
        for line in text.lines().filter(|line| line.contains("let forged = ")) {
            let Some((path, literal)) = line.split_once(" { ") else {
                continue;
            };
            let name = path.rsplit([':', ' ']).next().unwrap();
            let literal = literal.trim_end_matches([' ', '}', ';']).split(", ");
            let literal = literal.map(|field| field.split(':').next().unwrap().to_owned());
            let opening = format!("struct {name} {{\n");
            let declared = fields(&text, &opening);
            assert_eq!(
                Some(literal.collect()),
                declared,
                "{}: {name}",
                file.display()
            );
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}
