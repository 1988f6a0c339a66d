//! [`Commands`]: some of a tool's commands, named by verb and flag.

/// Some of a tool's commands: those of a verb, those with a flag, or those with both.
#[derive(Clone, Copy, Debug)]
pub struct Commands {
    /// The verb.
    pub verb: VerbIs,
    /// The flag.
    pub flag: FlagIs,
}

/// Which verbs are meant, by canonical path.
#[derive(Clone, Copy, Debug)]
pub enum VerbIs {
    /// Every verb.
    Any,
    /// This one.
    Exactly(&'static str),
    /// This one and all below it.
    Within(&'static str),
}

/// Which flags are meant, by long name.
#[derive(Clone, Copy, Debug)]
pub enum FlagIs {
    /// Any flags, or none.
    Any,
    /// The flag is given, and not as `false`.
    Given(&'static str),
    /// The flag does not have this value.
    Not(&'static str, &'static str),
    /// The flag has this value.
    Set(&'static str, &'static str),
}

impl Commands {
    /// The commands of one verb.
    pub const fn of(verb: &'static str) -> Self {
        Self {
            verb: VerbIs::Exactly(verb),
            flag: FlagIs::Any,
        }
    }

    /// The commands of a verb and of all below it.
    pub const fn within(verb: &'static str) -> Self {
        Self {
            verb: VerbIs::Within(verb),
            flag: FlagIs::Any,
        }
    }

    /// The commands of any verb with a flag that is given.
    pub const fn given(flag: &'static str) -> Self {
        Self {
            verb: VerbIs::Any,
            flag: FlagIs::Given(flag),
        }
    }

    /// Those of these commands with this flag.
    pub const fn with(self, flag: FlagIs) -> Self {
        Self { flag, ..self }
    }

    /// Whether the command of these words, with these values of flags, is one of them.
    pub fn hold<'a>(&self, words: &[String], value: impl Fn(&str) -> Option<&'a str>) -> bool {
        let words = || words.iter().map(String::as_str);
        let has_verb = match self.verb {
            VerbIs::Any => true,
            VerbIs::Exactly(verb) => words().eq(verb.split(' ')),
            VerbIs::Within(group) => {
                let length = group.split(' ').count();
                words().take(length).eq(group.split(' '))
            }
        };
        has_verb
            && match self.flag {
                FlagIs::Any => true,
                FlagIs::Given(flag) => value(flag).is_some_and(|value| value != "false"),
                FlagIs::Not(flag, other) => value(flag) != Some(other),
                FlagIs::Set(flag, this) => value(flag) == Some(this),
            }
    }
}
