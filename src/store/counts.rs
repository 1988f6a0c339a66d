//! Numbers by name, of those who have any: [`Counts`].

use std::collections::HashMap;

/// How many of something each principal has; one that has none is not in it.
#[derive(Debug, Default)]
pub struct Counts(HashMap<String, usize>);

impl Counts {
    /// How many a principal has.
    pub fn of(&self, principal: &str) -> usize {
        self.0.get(principal).copied().unwrap_or(0)
    }

    /// How many all have together.
    pub fn all(&self) -> usize {
        self.0.values().sum()
    }

    /// Gives a principal so many more.
    pub fn add(&mut self, principal: &str, more: usize) {
        *self.0.entry(principal.to_owned()).or_default() += more;
    }

    /// Takes back what a principal was given.
    pub fn take_back(&mut self, principal: &str, given: usize) {
        if let Some(count) = self.0.get_mut(principal) {
            *count -= given;
            if *count == 0 {
                self.0.remove(principal);
            }
        }
    }

    /// How many principals have any.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
