//! What may be told of a stream: cleaned, and then without secrets.
//!
//! In this order: what a colour or an invisible character stands in the midst of is no secret that
//! anybody would find.

use super::{clean::Cleaner, redact::Redactor, respelled::Respelled};
use crate::secret::SecretString;

/// What of a call's output is not shown as its tool prints it.
#[derive(Clone, Debug, Default)]
pub struct Unshown {
    /// The texts of its credentials.
    pub secrets: Vec<SecretString>,
    /// The server, `host:port`, that its tool knows by `http` although it is one with TLS.
    pub plain_server: Option<String>,
}

/// Cleans one stream and takes secrets out of it, wherever its chunks are cut.
pub struct Sanitizer {
    cleaner: Cleaner,
    respelled: Option<Respelled>,
    redactor: Redactor,
}

impl Sanitizer {
    /// For a request with these credentials.
    pub fn new(secrets: &[SecretString]) -> Self {
        Self {
            cleaner: Cleaner::default(),
            respelled: None,
            redactor: Redactor::new(secrets),
        }
    }

    /// For a call, of whose output this is not shown.
    pub fn of(unshown: &Unshown) -> Self {
        let server = unshown.plain_server.as_deref();
        Self {
            respelled: server.map(Respelled::new),
            ..Self::new(&unshown.secrets)
        }
    }

    /// What can be told of a text that is there as a whole.
    pub fn whole(mut self, text: &[u8]) -> String {
        let mut cleaned = self.push(text);
        cleaned.extend(self.finish());
        String::from_utf8_lossy(&cleaned).into_owned()
    }

    /// What can be told of the stream after this chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let cleaned = self.cleaner.push(chunk);
        match &mut self.respelled {
            Some(respelled) => self.redactor.push(&respelled.push(&cleaned)),
            None => self.redactor.push(&cleaned),
        }
    }

    /// What was held back, at the end of the stream.
    pub fn finish(self) -> Vec<u8> {
        let Self {
            cleaner,
            respelled,
            mut redactor,
        } = self;
        let mut cleaned = cleaner.finish();
        if let Some(mut respelled) = respelled {
            cleaned = respelled.push(&cleaned);
            cleaned.append(&mut respelled.finish());
        }
        let mut out = redactor.push(&cleaned);
        out.append(&mut redactor.finish());
        out
    }
}
