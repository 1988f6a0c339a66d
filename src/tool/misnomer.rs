//! [`Misnomer`]: what other versions of a tool, other tools and habits call something.

/// A word or a flag that a tool does not have, and what does it there.
#[derive(Clone, Copy, Debug)]
pub struct Misnomer {
    /// The words of the command: of a verb all of them, of a flag those before it. An empty one
    /// stands for every command.
    pub command: &'static str,
    /// The flag: with its dashes where it is not there, else its long name.
    pub flag: Option<&'static str>,
    /// What to do instead, for the caller.
    pub instead: &'static str,
}

impl Misnomer {
    /// A verb that the tool does not have.
    pub const fn verb(command: &'static str, instead: &'static str) -> Self {
        Self {
            command,
            flag: None,
            instead,
        }
    }

    /// A flag that a command does not have.
    pub const fn flag(command: &'static str, flag: &'static str, instead: &'static str) -> Self {
        Self {
            command,
            flag: Some(flag),
            instead,
        }
    }
}

/// Flags that do nothing where nobody sits at a terminal.
#[derive(Clone, Copy, Debug)]
pub struct TerminalFlags {
    /// The verb.
    pub verb: &'static str,
    /// The flag that `--stdin` implies, without which the command would not wait for its program.
    pub implied: Option<&'static str>,
}
