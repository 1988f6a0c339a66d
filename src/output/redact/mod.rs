//! Takes secrets out of a stream, wherever its chunks are cut: [`Redactor`].
//!
//! May not let through what it is in doubt about, nor wait for more than it promises: see [`structure`].
//!
//! Held by the tests here and the fuzz target `redact`.

mod credentials;
mod structure;

use zeroize::Zeroizing;

use self::{credentials::Credentials, structure::Structure};
use crate::secret::SecretString;

/// What stands where a secret stood.
const MARK: &[u8] = b"[REDACTED]";

/// Takes secrets out of one stream.
pub struct Redactor {
    credentials: Credentials,
    structure: Structure,
}

impl Redactor {
    /// For a request with these credentials.
    pub fn new(secrets: &[SecretString]) -> Self {
        Self { credentials: Credentials::new(secrets), structure: Structure::new() }
    }

    /// What can be told of the stream after this chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut told = Zeroizing::new(Vec::with_capacity(chunk.len()));
        self.credentials.push(chunk, &mut told);
        self.rest(&told)
    }

    /// What was held back, at the end of the stream.
    pub fn finish(mut self) -> Vec<u8> {
        let credentials = std::mem::replace(&mut self.credentials, Credentials::new(&[]));
        let mut told = Zeroizing::new(Vec::new());
        credentials.finish(&mut told);
        let mut rest = self.rest(&told);
        self.structure.finish(&mut rest);
        rest
    }

    fn rest(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut told = Vec::with_capacity(chunk.len());
        self.structure.push(chunk, &mut told);
        told
    }
}
