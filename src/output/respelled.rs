//! The server's URL, as its caller knows it: [`Respelled`].
//!
//! A tool whose API requests this server takes speaks plain HTTP to it, and writes the server's URL
//! so: `http://host:port`. Nobody can reach the API server by that; the URL that the caller gave
//! begins with `https`. It is put back, wherever the chunks of a stream are cut.

use memchr::memmem;

use super::redact::beginning;

/// Writes one server's URL with its own scheme.
pub(super) struct Respelled {
    /// `http://host:port`.
    plain: Vec<u8>,
    /// The end of what was read, where the URL may have begun, or has ended.
    held: Vec<u8>,
}

impl Respelled {
    /// For the server `host:port`.
    pub(super) fn new(authority: &str) -> Self {
        Self {
            plain: format!("http://{authority}").into_bytes(),
            held: Vec::new(),
        }
    }

    /// What can be told of the stream after this chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut read = std::mem::take(&mut self.held);
        read.extend_from_slice(chunk);
        let mut out = Vec::with_capacity(read.len() + 1);
        let mut at = 0;
        while let Some(found) = memmem::find(read.get(at..).unwrap_or_default(), &self.plain) {
            let (start, end) = (at + found, at + found + self.plain.len());
            // What follows a port may belong to it.
            let Some(&next) = read.get(end) else { break };
            out.extend_from_slice(read.get(at..start).unwrap_or_default());
            self.tell(next, &mut out);
            at = end;
        }
        let rest = read.get(at..).unwrap_or_default();
        let kept = match memmem::find(rest, &self.plain) {
            Some(found) => rest.len() - found,
            None => beginning(rest, std::iter::once(self.plain.as_slice())),
        };
        let (now, later) = rest.split_at(rest.len() - kept);
        out.extend_from_slice(now);
        self.held = later.to_vec();
        out
    }

    /// What was held back, at the end of the stream.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.held != self.plain {
            return self.held;
        }
        let mut out = Vec::new();
        self.tell(b'\n', &mut out);
        out
    }

    /// Tells the URL, which `next` stands behind; it is another one's where that is of a port.
    fn tell(&self, next: u8, out: &mut Vec<u8>) {
        let (scheme, rest) = self.plain.split_at(b"http".len());
        out.extend_from_slice(scheme);
        if !next.is_ascii_digit() {
            out.push(b's');
        }
        out.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_url_is_the_callers_wherever_a_stream_is_cut() {
        let text = "at http://a.example:64, http://a.example:6443/x http://a.example:64433 http://b:6443 \"http://a.example:6443\"\nhttp://a.example:6443";
        let expected = "at http://a.example:64, https://a.example:6443/x http://a.example:64433 http://b:6443 \"https://a.example:6443\"\nhttps://a.example:6443";
        for length in 1..text.len() {
            let mut respelled = Respelled::new("a.example:6443");
            let mut out = Vec::new();
            for chunk in text.as_bytes().chunks(length) {
                out.extend(respelled.push(chunk));
            }
            out.extend(respelled.finish());
            assert_eq!(String::from_utf8(out).unwrap(), expected, "in {length}s");
        }
    }
}
