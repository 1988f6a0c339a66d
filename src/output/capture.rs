//! Reads one stream while its child runs: keeps of it what fits, and counts the rest.

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};

use super::{
    compact::Compact,
    cut::Form,
    kept::{Kept, KeptText, LeftOut, LineCount},
    live::{Live, LiveLines, OutputStream},
    sanitize::Sanitizer,
    stacks::Stacks,
    whole::{Whole, WholeText},
};

/// The bounds of one stream: what is kept of it, what is read at all, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes that are kept for the caller.
    pub kept: usize,
    /// Bytes that are read and counted; past them the child is ended.
    pub read: u64,
    /// Lines that are shown; with the last one the child is ended.
    pub lines: Option<u64>,
    /// What it is.
    pub form: Form,
    /// Whether blanks that say nothing are left out.
    pub is_compact: bool,
    /// Whether the stacks of a program that died are left out.
    pub is_without_stacks: bool,
}

impl Caps {
    /// Bounds of bytes alone.
    pub const fn of(kept: usize, read: u64) -> Self {
        Self {
            kept,
            read,
            lines: None,
            form: Form::Lines,
            is_compact: false,
            is_without_stacks: false,
        }
    }

    /// The same for standard error, which is text of the program's own.
    pub fn of_errors(self, is_without_stacks: bool) -> Self {
        Self {
            form: Form::Lines,
            is_compact: false,
            is_without_stacks,
            ..self
        }
    }
}

/// The part of one stream that was kept, and its size.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The text, cleaned; with a marker line where its middle was left out.
    pub text: String,
    /// Bytes that the child wrote.
    pub written: u64,
    /// Lines that could be told, one that has not ended too.
    pub lines: u64,
    /// Whether something is left out.
    pub truncated: bool,
    /// What was left out of what was read.
    pub left_out: Option<LeftOut>,
    /// Whether the text is a document that was cut, so that nobody can read it as one.
    pub is_half: bool,
    /// All of it, where something is left out and it was to be kept.
    pub whole: Option<WholeText>,
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
/// read so far is returned. `sanitizer` takes out what it knows before anything is kept, in `whole`
/// too, or sent to `live`.
pub async fn capture(
    mut stream: impl AsyncRead + Unpin,
    caps: Caps,
    sanitizer: Sanitizer,
    live: Option<(Live, OutputStream)>,
    whole: Option<Whole>,
    mut stop: watch::Receiver<bool>,
) -> Captured {
    let instead = live.as_ref().is_some_and(|(live, _)| live.replaces_answer);
    let mut kept = (!instead).then(|| Kept::new(caps.kept, caps.form, whole));
    let mut live = live.map(|(live, stream)| LiveLines::new(live, stream));
    let mut written: u64 = 0;
    let mut buffer = vec![0_u8; 32 * 1024];
    let mut shaped = Some(Shaped::new(sanitizer, caps));
    let mut lines_left = caps.lines.unwrap_or(u64::MAX);
    let mut lines = LineCount::default();
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
            true => shaped.take().map(Shaped::finish),
            false => shaped.as_mut().map(|shaped| shaped.push(chunk)),
        };
        let clean = clean.unwrap_or_default();
        let (shown, used_up) = first_lines(&clean, &mut lines_left);
        if let Some(live) = &mut live {
            live.push(shown, &mut stop).await;
        }
        lines.push(shown);
        if let Some(kept) = &mut kept {
            kept.push(shown);
        }
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
    let KeptText {
        text,
        left_out,
        is_half,
        whole,
    } = kept.map(Kept::text).unwrap_or_default();
    Captured {
        text,
        written,
        lines: lines.all(),
        truncated: left_out.is_some() || capped.is_some(),
        left_out,
        is_half,
        whole,
        capped,
    }
}

/// What may be told of one stream, in the shape in which it is told.
struct Shaped {
    sanitizer: Sanitizer,
    stacks: Option<Stacks>,
    compact: Option<Compact>,
}

impl Shaped {
    fn new(sanitizer: Sanitizer, caps: Caps) -> Self {
        Self {
            sanitizer,
            stacks: caps.is_without_stacks.then(Stacks::default),
            compact: caps.is_compact.then(|| Compact::new(caps.form)),
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut cleaned = self.sanitizer.push(chunk);
        if let Some(stacks) = &mut self.stacks {
            cleaned = stacks.push(&cleaned);
        }
        match &mut self.compact {
            Some(compact) => compact.push(&cleaned),
            None => cleaned,
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut cleaned = self.sanitizer.finish();
        if let Some(mut stacks) = self.stacks {
            cleaned = stacks.push(&cleaned);
            cleaned.extend(stacks.finish());
        }
        match self.compact {
            Some(mut compact) => compact.push(&cleaned),
            None => cleaned,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn captured(text: &[u8], kept: usize, read: u64) -> Captured {
        let (_sender, stop) = watch::channel(false);
        capture(
            text,
            Caps::of(kept, read),
            Sanitizer::new(&[]),
            None,
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
                lines: 2,
                ..Captured::default()
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
        assert!(found.text.contains("lines left out"));
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
            lines: Some(2),
            ..Caps::of(100, 1000)
        };
        let found = capture(
            &b"a\nb\nc\nd"[..],
            caps,
            Sanitizer::new(&[]),
            None,
            None,
            stop,
        )
        .await;
        assert_eq!(
            (found.text.as_str(), found.capped),
            ("a\nb\n", Some(Cap::Lines(2)))
        );
    }

    #[tokio::test]
    async fn what_a_listener_takes_is_not_told_twice() {
        let (_sender, stop) = watch::channel(false);
        let (live, mut heard) = Live::new(true);
        let caps = Caps::of(100, 1000);
        let found = capture(
            &b"a\nb"[..],
            caps,
            Sanitizer::new(&[]),
            Some((live, OutputStream::Stdout)),
            None,
            stop,
        )
        .await;
        assert_eq!(
            found,
            Captured {
                written: 3,
                lines: 2,
                ..Captured::default()
            }
        );
        let mut cleaned = String::new();
        while let Ok(crate::output::Event::Output { text, .. }) = heard.try_recv() {
            cleaned.push_str(&text);
        }
        assert_eq!(cleaned, "a\nb");
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
                let caps = Caps::of(4096, 1 << 20);
                let sanitizer =
                    Sanitizer::new(&[crate::secret::SecretString::new("s3cret-token".into())]);
                let found = capture(from, caps, sanitizer, None, None, stop).await;
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
