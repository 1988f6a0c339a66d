//! Reads one stream while its child runs: keeps the head and the tail, counts the rest.

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};

use super::{clean::clean, redact::Redactor};

/// How much of a stream is kept, and how much is read at all. Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Kept for the caller.
    pub kept: usize,
    /// Read and counted; past it the child is ended.
    pub read: u64,
}

/// What was read of one stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Captured {
    /// The text, cleaned; with a marker line where its middle was left out.
    pub text: String,
    /// What the child wrote, in bytes.
    pub written: u64,
    /// Whether something is left out.
    pub truncated: bool,
    /// Whether the stream went past what is read at all.
    pub overflowed: bool,
}

/// Reads `stream` to its end, or until `overflow` is reached or `stop` changes to true: then what
/// was read so far is returned. What `redactor` knows is taken out before anything is kept.
pub async fn capture(mut stream: impl AsyncRead + Unpin, caps: Caps, mut redactor: Redactor, mut stop: watch::Receiver<bool>) -> Captured {
    // Two thirds of what is kept are the beginning (headers, the first error), the rest the end.
    let head_size = caps.kept / 3 * 2;
    let tail_size = caps.kept - head_size;
    let mut head: Vec<u8> = Vec::new();
    let mut tail: Vec<u8> = Vec::new();
    let mut written: u64 = 0;
    // Without what the redactor took out.
    let mut shown: u64 = 0;
    let mut buffer = vec![0_u8; 32 * 1024];
    let mut overflowed = false;
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => read.unwrap_or(0), // a broken pipe is an end too
            _ = stop.wait_for(|stop| *stop) => 0,
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        written += chunk.len() as u64;
        let ended = chunk.is_empty();
        let told = if ended { std::mem::replace(&mut redactor, Redactor::new(&[])).finish() } else { redactor.push(chunk) };
        shown += told.len() as u64;
        let (to_head, to_tail) = told.split_at(told.len().min(head_size - head.len()));
        head.extend_from_slice(to_head);
        tail.extend_from_slice(to_tail);
        if tail.len() > 2 * tail_size {
            tail.drain(..tail.len() - tail_size);
        }
        if ended {
            break;
        }
        if written > caps.read {
            overflowed = true;
            break;
        }
    }
    let truncated = shown > caps.kept as u64;
    let text = if truncated {
        tail.drain(..tail.len().saturating_sub(tail_size));
        let (head, tail) = (last_line_end(&head), first_line_start(&tail));
        let left_out = shown - (head.len() + tail.len()) as u64;
        format!(
            "{}[... {left_out} of {shown} bytes left out; narrow the query: -l, --field-selector, -o name, --tail ...]\n{}",
            clean(head),
            clean(tail)
        )
    } else {
        head.extend_from_slice(&tail);
        clean(&head)
    };
    Captured { text, written, truncated, overflowed }
}

/// The head up to its last line's end; all of it when it is one long line.
fn last_line_end(head: &[u8]) -> &[u8] {
    let end = head.iter().rposition(|&byte| byte == b'\n').map_or(head.len(), |newline| newline + 1);
    head.get(..end).unwrap_or(head)
}

/// The tail from its first line's start; all of it when it is one long line.
fn first_line_start(tail: &[u8]) -> &[u8] {
    let start = tail.iter().position(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    tail.get(start..).filter(|rest| !rest.is_empty()).unwrap_or(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn captured(text: &[u8], kept: usize, read: u64) -> Captured {
        let (_sender, stop) = watch::channel(false);
        capture(text, Caps { kept, read }, Redactor::new(&[]), stop).await
    }

    #[tokio::test]
    async fn what_fits_is_kept_whole() {
        let text = captured(b"a\nb\n", 10, 100).await;
        assert_eq!(text, Captured { text: "a\nb\n".into(), written: 4, truncated: false, overflowed: false });
    }

    #[tokio::test]
    async fn what_does_not_fit_keeps_its_head_and_tail_in_whole_lines() {
        let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let found = captured(lines.as_bytes(), 300, 1 << 20).await;
        assert!(found.truncated && !found.overflowed);
        assert!(found.text.starts_with("line 0\n") && found.text.ends_with("line 999\n"), "{}", found.text);
        assert!(found.text.contains("bytes left out"));
        assert!(found.text.len() < 500);
        assert_eq!(found.written, lines.len() as u64);
    }

    #[tokio::test]
    async fn past_the_hard_cap_nothing_more_is_read() {
        let found = captured(&vec![b'x'; 1 << 20], 64, 1000).await;
        assert!(found.overflowed);
        assert!(found.written < 1 << 17);
    }
}
