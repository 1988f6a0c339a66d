//! Choices that a seed makes again.

pub trait Random {
    /// What changes with every choice; never 0.
    fn state(&mut self) -> &mut u64;

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn below(&mut self, end: usize) -> usize {
        // xorshift64 (Marsaglia 2003); its high bits are the better ones.
        let state = self.state();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from((*state >> 33) % end as u64).unwrap()
    }
}
