//! Reads one stream while its child runs: keeps the head and the tail, counts the rest.

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};

use super::{
    clean::clean,
    live::{Live, LiveLines, OutputStream},
    sanitize::Sanitizer,
};

/// The bounds of one stream: what is kept of it, and what is read at all.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes that are kept for the caller.
    pub kept: usize,
    /// Bytes that are read and counted; past them the child is ended.
    pub read: u64,
    /// Lines that are shown; with the last one the child is ended.
    pub lines: Option<u64>,
}

/// The part of one stream that was kept, and its size.
#[derive(Debug, PartialEq, Eq)]
pub struct Captured {
    /// The text, cleaned; with a marker line where its middle was left out.
    pub text: String,
    /// Bytes that the child wrote.
    pub written: u64,
    /// Whether something is left out.
    pub truncated: bool,
    /// The bound that the stream came to, and was read no further.
    pub capped: Option<Cap>,
}

/// A bound that ends the reading of a stream before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// The bytes that may be read.
    Bytes(u64),
    /// The lines that may be shown.
    Lines(u64),
}

/// Reads `stream` to its end, or until a cap is reached or `stop` changes to true: then what was
/// read so far is returned. `sanitizer` takes out what it knows before anything is kept or sent to
/// `live`.
pub async fn capture(
    mut stream: impl AsyncRead + Unpin,
    caps: Caps,
    sanitizer: Sanitizer,
    live: Option<(Live, OutputStream)>,
    mut stop: watch::Receiver<bool>,
) -> Captured {
    let instead = live.as_ref().is_some_and(|(live, _)| live.instead);
    let mut kept = Kept::new(if instead { 0 } else { caps.kept });
    let mut live = live.map(|(live, stream)| LiveLines::new(live, stream));
    let mut written: u64 = 0;
    let mut buffer = vec![0_u8; 32 * 1024];
    let mut sanitizer = Some(sanitizer);
    let mut lines_left = caps.lines.unwrap_or(u64::MAX);
    let mut capped;
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => read.unwrap_or(0), // a broken pipe is an end too
            _ = stop.wait_for(|stop| *stop) => 0,
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        written += chunk.len() as u64;
        let ended = chunk.is_empty();
        let clean = match ended {
            true => sanitizer.take().map(Sanitizer::finish),
            false => sanitizer.as_mut().map(|sanitizer| sanitizer.push(chunk)),
        };
        let clean = clean.unwrap_or_default();
        let (shown, used_up) = first_lines(&clean, &mut lines_left);
        if let Some(live) = &mut live {
            live.push(shown, &mut stop).await;
        }
        kept.push(shown);
        capped = match caps.lines.filter(|_| used_up) {
            Some(lines) => Some(Cap::Lines(lines)),
            None => (written > caps.read).then_some(Cap::Bytes(caps.read)),
        };
        if ended || capped.is_some() {
            break;
        }
    }
    if let Some(live) = live {
        live.finish(&mut stop).await;
    }
    let (text, left_out) = if instead {
        (String::new(), false)
    } else {
        kept.text()
    };
    Captured {
        text,
        written,
        truncated: left_out || capped.is_some(),
        capped,
    }
}

/// The beginning and the end of a stream, and how much it was: two thirds of the size are the
/// beginning (headers, the first error), the rest the end.
struct Kept {
    size: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Bytes in all, without those that the sanitizer took out.
    shown: u64,
}

impl Kept {
    fn new(size: usize) -> Self {
        let (head, tail) = (Vec::new(), Vec::new());
        Self {
            size,
            head,
            tail,
            shown: 0,
        }
    }

    fn head_size(&self) -> usize {
        self.size / 3 * 2
    }

    fn tail_size(&self) -> usize {
        self.size - self.head_size()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.shown += bytes.len() as u64;
        let left = self.head_size() - self.head.len();
        let (to_head, to_tail) = bytes.split_at(bytes.len().min(left));
        self.head.extend_from_slice(to_head);
        self.tail.extend_from_slice(to_tail);
        if self.tail.len() > 2 * self.tail_size() {
            self.tail.drain(..self.tail.len() - self.tail_size());
        }
    }

    /// Returns the text, with a marker line where its middle is left out, and whether it is.
    fn text(mut self) -> (String, bool) {
        if self.shown <= self.size as u64 {
            self.head.extend_from_slice(&self.tail);
            return (clean(&self.head), false);
        }
        let from = self.tail.len().saturating_sub(self.tail_size());
        let tail = self.tail.get(from..).unwrap_or_default();
        let (head, tail) = (last_line_end(&self.head), first_line_start(tail));
        let (shown, left_out) = (self.shown, self.shown - (head.len() + tail.len()) as u64);
        let marker = format!(
            "[... {left_out} of {shown} bytes left out; narrow the query: -l, --field-selector, -o name, --tail ...]"
        );
        (format!("{}{marker}\n{}", clean(head), clean(tail)), true)
    }
}

/// Returns as many lines as are left, and whether the last of them is among these.
fn first_lines<'a>(text: &'a [u8], left: &mut u64) -> (&'a [u8], bool) {
    for at in memchr::memchr_iter(b'\n', text) {
        *left -= 1;
        if *left == 0 {
            return (text.get(..=at).unwrap_or(text), true);
        }
    }
    (text, false)
}

/// Returns the head up to its last line's end; all of it when it is one long line.
fn last_line_end(head: &[u8]) -> &[u8] {
    let end = head
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(head.len(), |newline| newline + 1);
    head.get(..end).unwrap_or(head)
}

/// Returns the tail from its first line's start; all of it when it is one long line.
fn first_line_start(tail: &[u8]) -> &[u8] {
    let start = tail
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    tail.get(start..)
        .filter(|rest| !rest.is_empty())
        .unwrap_or(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn captured(text: &[u8], kept: usize, read: u64) -> Captured {
        let (_sender, stop) = watch::channel(false);
        capture(
            text,
            Caps {
                kept,
                read,
                lines: None,
            },
            Sanitizer::new(&[]),
            None,
            stop,
        )
        .await
    }

    #[tokio::test]
    async fn what_fits_is_kept_whole() {
        let text = captured(b"a\nb\n", 10, 100).await;
        assert_eq!(
            text,
            Captured {
                text: "a\nb\n".into(),
                written: 4,
                truncated: false,
                capped: None
            }
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_keeps_its_head_and_tail_in_whole_lines() {
        let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let found = captured(lines.as_bytes(), 300, 1 << 20).await;
        assert!(found.truncated && found.capped.is_none());
        assert!(
            found.text.starts_with("line 0\n") && found.text.ends_with("line 999\n"),
            "{}",
            found.text
        );
        assert!(found.text.contains("bytes left out"));
        assert!(found.text.len() < 500);
        assert_eq!(found.written, lines.len() as u64);
    }

    #[tokio::test]
    async fn past_the_hard_cap_nothing_more_is_read() {
        let found = captured(&vec![b'x'; 1 << 20], 64, 1000).await;
        assert_eq!(found.capped, Some(Cap::Bytes(1000)));
        assert!(found.written < 1 << 17);
    }

    #[tokio::test]
    async fn after_as_many_lines_as_are_told_nothing_more_is_read() {
        let (_sender, stop) = watch::channel(false);
        let caps = Caps {
            kept: 100,
            read: 1000,
            lines: Some(2),
        };
        let found = capture(&b"a\nb\nc\nd"[..], caps, Sanitizer::new(&[]), None, stop).await;
        assert_eq!(
            (found.text.as_str(), found.capped),
            ("a\nb\n", Some(Cap::Lines(2)))
        );
    }

    #[tokio::test]
    async fn what_a_listener_takes_is_not_told_twice() {
        let (_sender, stop) = watch::channel(false);
        let (live, mut heard) = Live::new(true);
        let caps = Caps {
            kept: 100,
            read: 1000,
            lines: None,
        };
        let found = capture(
            &b"a\nb"[..],
            caps,
            Sanitizer::new(&[]),
            Some((live, OutputStream::Stdout)),
            stop,
        )
        .await;
        assert_eq!(
            found,
            Captured {
                text: String::new(),
                written: 3,
                truncated: false,
                capped: None
            }
        );
        let mut told = String::new();
        while let Ok(crate::output::Event::Output { text, .. }) = heard.try_recv() {
            told.push_str(&text);
        }
        assert_eq!(told, "a\nb");
    }

    #[tokio::test]
    async fn colours_hide_no_secret() {
        let key = "-----BEGIN \x1b[1mPRIVATE KEY-----\nMIIabcdefgh\n-----END PRIVATE KEY-----\n";
        for (text, secret) in [
            (
                "Authorization: Bearer \x1b[32mabcdefghijklmnop\x1b[0m\n",
                "abcdefghijklmnop",
            ),
            (
                "token s3cret\x1b[0m-token of the re\u{200b}quest\n",
                "-token",
            ),
            ("token s3cr\u{200b}et-token\n", "et-token"),
            (key, "MIIabcdefgh"),
            (
                "\x1b[34mapiVersion\x1b[0m: v1\n\x1b[34mkind\x1b[0m: Secret\n\x1b[34mdata\x1b[0m:\n  a: c2VjcmV0\n",
                "c2VjcmV0",
            ),
            (
                "eyJhbGciOiJIUzI1NiJ9\x1b[m.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJlc2lnbmF0dXJl\n",
                "c2lnbmF0dXJl",
            ),
        ] {
            for size in [1, 7, 4096] {
                let (_sender, stop) = watch::channel(false);
                let (mut to, from) = tokio::io::duplex(size);
                let writing = tokio::spawn(async move {
                    tokio::io::AsyncWriteExt::write_all(&mut to, text.as_bytes()).await
                });
                let caps = Caps {
                    kept: 4096,
                    read: 1 << 20,
                    lines: None,
                };
                let sanitizer =
                    Sanitizer::new(&[crate::secret::SecretString::new("s3cret-token".into())]);
                let found = capture(from, caps, sanitizer, None, stop).await;
                writing.await.unwrap().unwrap();
                assert!(
                    !found.text.contains(secret) && found.text.contains("[REDACTED]"),
                    "{text:?}: {}",
                    found.text
                );
            }
        }
    }
}
