//! What may be told of a stream: cleaned, and then without secrets.
//!
//! In this order: what a colour or an invisible character stands in the midst of is no secret that
//! anybody would find.

use super::{clean::Cleaner, redact::Redactor};
use crate::secret::SecretString;

/// Cleans one stream and takes secrets out of it, wherever its chunks are cut.
pub struct Sanitizer {
    cleaner: Cleaner,
    redactor: Redactor,
}

impl Sanitizer {
    /// For a request with these credentials.
    pub fn new(secrets: &[SecretString]) -> Self {
        Self {
            cleaner: Cleaner::default(),
            redactor: Redactor::new(secrets),
        }
    }

    /// What can be told of the stream after this chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.redactor.push(&self.cleaner.push(chunk))
    }

    /// What was held back, at the end of the stream.
    pub fn finish(self) -> Vec<u8> {
        let Self {
            cleaner,
            mut redactor,
        } = self;
        let mut told = redactor.push(&cleaner.finish());
        told.append(&mut redactor.finish());
        told
    }
}
