//! Text as a model reads it as well in fewer characters: [`Compact`].
//!
//! Of JSON the blanks outside of strings are left out; of lines, such as a table's, each run of
//! blanks behind a line's first word is one tab. YAML means its blanks, and stays as it is.

use super::cut::Form;

/// Takes blanks out of one stream, wherever its chunks are cut.
pub(super) struct Compact {
    form: Form,
    place: InText,
    /// Blanks that have not been told, and the first of them.
    blanks: usize,
    blank: u8,
    /// Brackets of JSON that are open.
    open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InText {
    /// Before a line's first word.
    Indentation,
    Text,
    /// In a string of JSON.
    String,
    /// Behind a backslash in one.
    Escaped,
}

impl Compact {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            place: InText::Indentation,
            blanks: 0,
            blank: b' ',
            open: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        if !bytes.is_empty() {
            self.form = self.form.beginning(bytes);
        }
        for &byte in bytes {
            match self.form {
                Form::Json => self.json(byte, &mut out),
                Form::Lines | Form::Unknown => self.line(byte, &mut out),
                Form::Yaml => out.push(byte),
            }
        }
        out
    }

    fn json(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.place = match (self.place, byte) {
            (InText::Escaped, _) => InText::String,
            (InText::String, b'\\') => InText::Escaped,
            (InText::String, b'"') => InText::Text,
            (InText::String, _) => InText::String,
            (_, b' ' | b'\t' | b'\r' | b'\n') => {
                // Between two documents one of them stays.
                if self.open == 0 && byte == b'\n' && self.place == InText::Text {
                    out.push(byte);
                    self.place = InText::Indentation;
                }
                return;
            }
            (_, b'"') => InText::String,
            (_, b'{' | b'[') => {
                self.open += 1;
                InText::Text
            }
            (_, b'}' | b']') => {
                self.open = self.open.saturating_sub(1);
                InText::Text
            }
            (_, _) => InText::Text,
        };
        out.push(byte);
    }

    fn line(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.place, byte) {
            (_, b'\n') => {
                self.blanks = 0; // at a line's end they are nothing
                self.place = InText::Indentation;
                out.push(byte);
            }
            (InText::Indentation, b' ' | b'\t') => out.push(byte),
            (_, b' ' | b'\t') => {
                self.blanks += 1;
                self.blank = byte;
            }
            (_, _) => {
                match self.blanks {
                    0 => {}
                    1 => out.push(self.blank),
                    _ => out.push(b'\t'),
                }
                self.blanks = 0;
                self.place = InText::Text;
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_that_say_nothing_and_no_others() {
        let table = "NAME    READY   STATUS\nweb-0   1/1     Running (2h ago)   \n  a: b  c\n";
        let object = "{\n    \"a b\": [\n        1,\n        \"x  \\\" y\"\n    ]\n}\n{\n}\n";
        for (form, text, compact) in [
            (
                Form::Lines,
                table,
                "NAME\tREADY\tSTATUS\nweb-0\t1/1\tRunning (2h ago)\n  a: b\tc\n",
            ),
            (Form::Json, object, "{\"a b\":[1,\"x  \\\" y\"]}\n{}\n"),
            (Form::Yaml, "a:\n  b:   c\n", "a:\n  b:   c\n"),
        ] {
            for size in [1, 3, 1000] {
                let mut compacting = Compact::new(form);
                let chunks = text.as_bytes().chunks(size);
                let passed: Vec<u8> = chunks.flat_map(|chunk| compacting.push(chunk)).collect();
                assert_eq!(String::from_utf8(passed).unwrap(), compact);
            }
        }
    }
}
