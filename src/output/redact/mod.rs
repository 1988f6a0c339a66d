//! Takes secrets out of a stream, wherever its chunks are cut: [`Redactor`].
//!
//! May not let through what it is in doubt about, nor wait for more than it promises: see
//! [`structure`].
//!
//! Held by the tests here and the fuzz target `redact`.

mod credentials;
mod mark;
mod patterns;
mod prefix;
mod structure;
mod wrapped;

use zeroize::Zeroizing;

pub(super) use self::mark::beginning;
use self::{credentials::Credentials, patterns::Patterns, structure::Structure};
use crate::secret::SecretString;

/// Takes secrets out of one stream.
pub struct Redactor {
    credentials: Credentials,
    structure: Structure,
    patterns: Patterns,
    /// What one of them tells the next.
    between: [Zeroizing<Vec<u8>>; 2],
}

impl Redactor {
    /// For a request with these credentials.
    pub fn new(secrets: &[SecretString]) -> Self {
        Self {
            credentials: Credentials::new(secrets),
            structure: Structure::new(),
            patterns: Patterns::new(),
            between: Default::default(),
        }
    }

    /// What can be told of the stream after this chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let [first, second] = &mut self.between;
        first.clear();
        second.clear();
        self.credentials.push(chunk, first);
        self.structure.push(first, second);
        let mut out = Vec::with_capacity(second.len());
        self.patterns.push(second, &mut out);
        out
    }

    /// What was held back, at the end of the stream.
    pub fn finish(self) -> Vec<u8> {
        let Self {
            credentials,
            mut structure,
            mut patterns,
            between: [mut first, mut second],
        } = self;
        first.clear();
        second.clear();
        credentials.finish(&mut first);
        structure.push(&first, &mut second);
        structure.finish(&mut second);
        let mut out = Vec::new();
        patterns.push(&second, &mut out);
        patterns.finish(&mut out);
        out
    }
}
