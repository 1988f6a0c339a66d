//! Files that are read again and again, and the news of each look: [`Watched`].
//!
//! A problem is news once, until it is another one or gone: what is restored and broken again is
//! news again.

use std::fmt::Display;

use crate::metrics;

/// The result of one look at some files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// They have a problem; what was in force before stays.
    Refused,
    /// They changed, and are in force.
    Taken,
    /// They are as they were.
    Unchanged,
}

impl Looked {
    /// The word in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
        }
    }

    /// Shows in `/metrics` whether these files are in force, and since when that is known.
    pub(super) fn shown(self, of: metrics::Reloaded) -> Self {
        metrics::reload(of, self != Self::Refused);
        self
    }
}

/// Files that are read again and again, and what of them is in force.
pub(super) struct Watched<T> {
    in_force: Option<T>,
    /// The problem of the files as they are now, which keeps them from being in force.
    problem: Option<String>,
}

/// The news of one look at watched files.
pub(super) enum News<'a, T> {
    /// The files are as they are in force.
    None,
    /// The files have the problem that they had.
    StillBroken,
    /// The changed files are in force.
    Taken(&'a T),
    /// The changed files have a problem; what was in force stays.
    Broken {
        problem: &'a str,
        /// The content, when it could be read.
        content: Option<T>,
    },
}

impl<T: PartialEq> Watched<T> {
    /// Files of which `in_force` is in force; None: not known yet.
    pub(super) fn new(in_force: Option<T>) -> Self {
        Self {
            in_force,
            problem: None,
        }
    }

    /// Reports the problem that there is once more, when it is still there.
    pub(super) fn report_again(&mut self) {
        self.problem = None;
    }

    /// Returns what is in force.
    pub(super) fn in_force(&self) -> Option<&T> {
        self.in_force.as_ref()
    }

    /// Compares what was read now with what is in force; `take` puts it in force when it differs.
    pub(super) fn look(
        &mut self,
        read: Result<T, String>,
        take: impl FnOnce(&T) -> Result<(), String>,
    ) -> News<'_, T> {
        let (problem, content) = match read {
            Ok(content) if self.in_force.as_ref() == Some(&content) => {
                self.problem = None;
                return News::None;
            }
            Ok(content) => match take(&content) {
                Ok(()) => {
                    self.problem = None;
                    return News::Taken(self.in_force.insert(content));
                }
                Err(problem) => (problem, Some(content)),
            },
            Err(problem) => (problem, None),
        };
        if self.problem.as_ref() == Some(&problem) {
            return News::StillBroken;
        }
        let problem = self.problem.insert(problem);
        News::Broken { problem, content }
    }
}

/// Reads off the runtime's threads.
pub(super) async fn read_apart<T: Send + 'static, E: Display + Send + 'static>(
    read: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The news of one look at files that may be `"good"` and other texts that start with it.
    fn news(watched: &mut Watched<String>, read: Result<&str, &str>) -> String {
        let take = |text: &String| match text.starts_with("good") {
            true => Ok(()),
            false => Err(format!("{text} does not load")),
        };
        let read = read.map(str::to_owned).map_err(str::to_owned);
        match watched.look(read, take) {
            News::None | News::StillBroken => String::new(),
            News::Taken(text) => format!("taken: {text}"),
            News::Broken { problem, content } => format!("broken: {problem} ({content:?})"),
        }
    }

    #[test]
    fn what_is_restored_and_broken_again_is_reported_again() {
        let mut watched = Watched::new(Some("good".to_owned()));
        let broken = r#"broken: bad does not load (Some("bad"))"#;
        for (read, expected) in [
            (Ok("good"), ""),
            (Ok("bad"), broken),
            (Ok("bad"), ""),
            (Err("it is gone"), "broken: it is gone (None)"),
            (Ok("bad"), broken),
            (Ok("good"), ""),
            (Ok("bad"), broken),
            (Ok("good, and new"), "taken: good, and new"),
            (Ok("good, and new"), ""),
            (Ok("good"), "taken: good"),
        ] {
            assert_eq!(news(&mut watched, read), expected, "{read:?}");
        }
    }
}
