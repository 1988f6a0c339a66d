//! Bytes -> choices, so that policies and commands can be made up from an input.
//!
//! One byte is one choice: the fuzzer can change one and keep the others. Behind the end, every
//! choice is the first one, so that short inputs are simple cases.

/// The choices that are left.
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number below `bound`, which is at most 256.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % bound.max(1)
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        from.get(self.below(from.len()))
            .expect("there is something to pick from")
    }

    /// Fewer than `bound` picks, in order; one thing may be picked twice.
    pub(super) fn several<'t, T>(&mut self, bound: usize, from: &'t [T]) -> Vec<&'t T> {
        (0..self.below(bound))
            .filter_map(|_| from.get(self.below(from.len())))
            .collect()
    }

    /// Yes, once in `of` times.
    pub(super) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }
}
