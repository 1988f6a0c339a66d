//! An escape in a quoted string, while it is read.

/// The part of an escape that was read.
#[derive(Default)]
pub(super) struct Escape {
    pub(super) start: u64,
    /// The hexadecimal digits that are left; none before the letter is read.
    pub(super) digits: Option<u8>,
    pub(super) code: u32,
}
