//! Redirections: the two that change nothing at the end of a stage, and the names of all others.
//!
//! Comes in: a text and where a `<` or `>` stands in it, outside of quotes. A stage's standard error never joins
//! its output here: it comes back by itself, so that a filter neither counts nor cuts it. [`idle`] says so where
//! a shell would have joined them.

use super::adjustment::Adjustment;

/// A redirection that is left out.
pub(super) struct Idle {
    /// Where it begins.
    pub(super) from: usize,
    /// Where it ends.
    pub(super) to: usize,
    /// What the caller reads of it.
    pub(super) change: Adjustment,
}

/// The redirections that are left out at the end of a stage, as they are written.
const IDLE: [&str; 2] = ["2>&1", "2>/dev/null"];

/// `2>&1` or `2>/dev/null`, exactly so, with nothing but others of them between it and the end of
/// its stage; `from` is where the word before its `>` begins.
pub(super) fn idle(text: &str, from: usize) -> Option<Idle> {
    let (_, behind) = text.split_at_checked(from)?;
    let word = IDLE.into_iter().find(|word| behind.starts_with(word))?;
    let mut rest = behind.strip_prefix(word)?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t', '|'])) {
        return None;
    }
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match IDLE.into_iter().find_map(|word| rest.strip_prefix(word)) {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    let is_bar = rest.starts_with('|') && !rest.starts_with("||") && !rest.starts_with("|&");
    // Of `2>/dev/null || true` it is the second operator that has to go.
    if !(rest.is_empty() || rest.starts_with(['|', '&', ';', '<', '>'])) {
        return None;
    }
    let why = match (word, is_bar) {
        ("2>&1", true) => {
            "what stands before it writes its errors past the filters; they come back whole in `error`"
        }
        ("2>&1", false) => "both streams come back in the reply, each by itself",
        _ => "errors come back in the reply, apart from the output",
    };
    Some(Idle {
        from,
        to: from + word.len(),
        change: Adjustment::Dropped {
            word: word.into(),
            why,
        },
    })
}

/// A redirection by the name that its writer knows it by, and where it begins.
pub(super) fn named(text: &str, at: usize) -> (&'static str, usize) {
    let (before, behind) = text.split_at_checked(at).unwrap_or_default();
    // `2` is a descriptor only as a word of its own.
    let of_errors = before
        .strip_suffix('2')
        .filter(|before| before.is_empty() || before.ends_with([' ', '\t', '|']));
    let operator = match (of_errors, behind) {
        (Some(_), behind) if behind.starts_with(">&1") => "2>&1",
        (Some(_), behind) if behind.starts_with('>') => "2>",
        (None, behind) if behind.starts_with(">>") => ">>",
        (_, behind) if behind.starts_with("<<<") => "<<<",
        (_, behind) if behind.starts_with("<<") => "<<",
        (_, behind) if behind.starts_with('<') => "<",
        _ => ">",
    };
    let at = if operator.starts_with('2') {
        at - 1
    } else {
        at
    };
    (operator, at)
}
