//! What a program of Go's prints when it dies, without the stacks: [`Stacks`].
//!
//! They are tens of kilobytes that help nobody but a program's author, and hold arguments of
//! functions. The lines before them, which say what happened, stay.

/// Takes the stacks out of one stream, wherever its chunks are cut.
#[derive(Default)]
pub(super) struct Stacks {
    line: Vec<u8>,
    /// Whether a stack has begun: nothing but stacks comes behind one.
    has_begun: bool,
}

impl Stacks {
    /// Returns the whole lines that stay.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.has_begun {
                break;
            }
            self.line.extend_from_slice(line);
            let is_long = self.line.len() > LONGEST;
            if !line.ends_with(b"\n") && !is_long {
                break;
            }
            let line = std::mem::take(&mut self.line);
            self.has_begun = begins(&line);
            if !self.has_begun {
                out.extend_from_slice(&line);
            }
        }
        out
    }

    /// Returns the last line, when it has not ended.
    pub(super) fn finish(self) -> Vec<u8> {
        match self.has_begun || begins(&self.line) {
            true => Vec::new(),
            false => self.line,
        }
    }
}

/// Longer than the first line of any stack.
const LONGEST: usize = 4096;

/// Whether a stack begins with this line: `runtime stack:`, `goroutine 1 [running]:`,
/// `goroutine 1 gp=0xc000002380 m=0 mp=0x1 [running, locked to thread]:`.
fn begins(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line == b"runtime stack:"
        || line.ends_with(b"]:")
            && line
                .strip_prefix(b"goroutine ")
                .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stack_of_go_is_told_and_what_happened_is() {
        let death = "warning: x\nfatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0x1, 0x2})\n\nmore\n";
        let panic = "panic: index out of range [0]\n\ngoroutine 1 [running]:\nmain.main()\n";
        for (text, told) in [
            (death, "warning: x\nfatal error: runtime: out of memory\n\n"),
            (panic, "panic: index out of range [0]\n\n"),
            (
                "error: goroutine 1 [x]:\nno end",
                "error: goroutine 1 [x]:\nno end",
            ),
            (
                "goroutine 7 gp=0xc0 m=nil [select, locked to thread]:\nx",
                "",
            ),
        ] {
            for size in [1, 3, 1000] {
                let mut stacks = Stacks::default();
                let chunks = text.as_bytes().chunks(size);
                let mut found: Vec<u8> = chunks.flat_map(|chunk| stacks.push(chunk)).collect();
                found.extend(stacks.finish());
                assert_eq!(String::from_utf8(found).unwrap(), told);
            }
        }
    }
}
