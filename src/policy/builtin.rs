//! The policies that are compiled in: `policy/*.toml`, by name.

/// What stands before the name of a built-in policy where a file could be named.
pub const PREFIX: &str = "builtin:";

/// A policy that is compiled in.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its file's name without `.toml`.
    pub name: &'static str,
    /// The file as it is shipped.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),*) => {
        &[$(Builtin {
            name: $name,
            text: include_str!(concat!("../../policy/", $name, ".toml")),
        }),*]
    };
}

/// Every policy file in `policy/`; a test says when one is missing here.
pub const BUILTINS: &[Builtin] = shipped![
    "admin",
    "custom",
    "operating",
    "read-only",
    "reading",
    "standard"
];

/// The built-in policy of this name.
pub fn policy(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|builtin| builtin.name)
}
