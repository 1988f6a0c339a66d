//! Whether commands get the decisions that a table says: [`Explainer::test`].
//!
//! Comes in: the cases of a table. Goes out: what was decided about each. Held by `tests/cli/`.

use super::{
    corpus::Case,
    explain::{Explained, Explainer},
};

/// A case of a table, and what was decided about it.
#[derive(Debug)]
pub struct TestedCase<'c> {
    /// The case.
    pub case: &'c Case,
    /// The decision that the table says.
    pub expected: &'c str,
    /// The decision, and why.
    pub found: Explained,
}

impl TestedCase<'_> {
    /// Whether the decision is the expected one.
    pub fn holds(&self) -> bool {
        self.found.effect.word() == self.expected
    }
}

/// A line that says nothing of a decision.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the table has no expected decision")]
pub struct NoExpectation {
    /// The line, from 1.
    pub line: usize,
}

impl Explainer {
    /// Decides about each case.
    pub fn test<'c>(
        &self,
        cases: &'c [Case],
    ) -> impl Iterator<Item = Result<TestedCase<'c>, NoExpectation>> {
        cases.iter().map(|case| {
            let expected = case.expected.as_deref();
            Ok(TestedCase {
                case,
                expected: expected.ok_or(NoExpectation { line: case.line })?,
                found: self.explain_case(case),
            })
        })
    }
}
