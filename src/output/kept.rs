//! What is kept of a stream: its beginning and its end, in whole lines; of JSON and YAML as many
//! whole items as fit.
//!
//! Comes in: cleaned text, in chunks. Goes out: [`KeptText`]. May not hold more than twice the
//! bytes that the caller may have, however long the stream is; and nothing is looked into before it
//! is too long.

use super::{
    clean::clean,
    cut::{CutPlace, Form},
    items::Items,
    whole::{Whole, WholeText},
};

/// What was left out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Bytes that are not told, and all of them.
    pub bytes: (u64, u64),
    /// Lines that are not told, and all of them.
    pub lines: (u64, u64),
    /// Items that are not told, and all of them, where the text is a list of such.
    pub items: Option<(u64, u64)>,
    /// The first line that is not told, or not whole; lines are counted from 1.
    pub from_line: u64,
}

/// The text that is told of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeptText {
    pub(super) text: String,
    pub(super) left_out: Option<LeftOut>,
    /// Whether it is a document that is cut, so that nobody can read it as one.
    pub(super) is_half: bool,
    /// All of it, where something is left out.
    pub(super) whole: Option<WholeText>,
}

/// The beginning and the end of a stream, and how much it was: two thirds of the size are the
/// beginning (headers, the first error), the rest the end.
pub(super) struct Kept {
    size: usize,
    form: Form,
    /// As much from the beginning as may be told.
    first: Vec<u8>,
    /// The end, once there is more than that.
    last: Vec<u8>,
    items: Option<Items>,
    /// Where all of it goes, once it cannot be told.
    whole: Option<Whole>,
    /// Bytes in all, without those that the sanitizer took out.
    shown: u64,
    lines: LineCount,
}

/// How many lines a stream has.
#[derive(Clone, Copy, Default)]
pub struct LineCount {
    ended: u64,
    is_in_line: bool,
}

impl LineCount {
    /// Counts those of a chunk.
    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(&last) = bytes.last() {
            self.ended += newlines(bytes);
            self.is_in_line = last != b'\n';
        }
    }

    /// Returns the lines so far, one that has not ended too.
    pub fn all(self) -> u64 {
        self.ended + u64::from(self.is_in_line)
    }
}

impl Kept {
    pub(super) fn new(size: usize, form: Form, whole: Option<Whole>) -> Self {
        Self {
            size,
            form,
            first: Vec::new(),
            last: Vec::new(),
            items: None,
            whole,
            shown: 0,
            lines: LineCount::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let was_over = self.is_over();
        self.shown += bytes.len() as u64;
        self.lines.push(bytes);
        let left = self.size - self.first.len();
        let (to_first, rest) = bytes.split_at(bytes.len().min(left));
        self.first.extend_from_slice(to_first);
        if !self.is_over() {
            return;
        }
        if !was_over {
            let (_, end) = self.first.split_at(self.head_size());
            self.last.extend_from_slice(end);
            self.items = Items::of(self.form, &self.first, self.size);
            if let Some(whole) = &mut self.whole {
                whole.push(&self.first);
            }
        }
        if let Some(whole) = &mut self.whole {
            whole.push(rest);
        }
        if let Some(items) = &mut self.items {
            items.push(rest);
        }
        self.last.extend_from_slice(rest);
        if self.last.len() > 2 * self.tail_size() {
            self.last.drain(..self.last.len() - self.tail_size());
        }
    }

    /// Returns the text: all of it, as many items of it as fit, or its beginning and its end with a
    /// marker line between.
    pub(super) fn text(mut self) -> KeptText {
        if !self.is_over() {
            return KeptText {
                text: clean(&self.first),
                ..KeptText::default()
            };
        }
        let whole = self.whole.take().map(Whole::text);
        let shown = match self.items.take().and_then(Items::finish) {
            Some(CutPlace::At { end, close, items }) => self.cut(end, &close, items),
            Some(CutPlace::Nowhere) => KeptText {
                is_half: true,
                ..self.head_and_tail()
            },
            None => self.head_and_tail(),
        };
        KeptText { whole, ..shown }
    }

    fn cut(mut self, end: usize, close: &[u8], items: (u64, u64)) -> KeptText {
        self.first.truncate(end);
        let from_line = newlines(&self.first) + 1;
        self.first.extend_from_slice(close);
        let left_out = self.left_out(&[&self.first], Some(items), from_line);
        KeptText {
            text: clean(&self.first),
            left_out: Some(left_out),
            ..KeptText::default()
        }
    }

    fn head_and_tail(&self) -> KeptText {
        let head = self.first.get(..self.head_size()).unwrap_or_default();
        let from = self.last.len().saturating_sub(self.tail_size());
        let tail = self.last.get(from..).unwrap_or_default();
        let (head, tail) = (last_line_end(head), first_line_start(tail));
        let left_out = self.left_out(&[head, tail], None, newlines(head) + 1);
        let LeftOut { bytes, lines, .. } = left_out;
        let marker = format!(
            "[... {} of {} lines left out ({} of {} bytes); narrow the query: -l, --field-selector, -o name, --tail, a filter; or raise max_output ...]",
            lines.0, lines.1, bytes.0, bytes.1
        );
        KeptText {
            text: format!("{}{marker}\n{}", clean(head), clean(tail)),
            left_out: Some(left_out),
            ..KeptText::default()
        }
    }

    fn left_out(&self, shown: &[&[u8]], items: Option<(u64, u64)>, from_line: u64) -> LeftOut {
        let bytes: usize = shown.iter().map(|part| part.len()).sum();
        let lines: u64 = shown.iter().map(|part| newlines(part)).sum();
        LeftOut {
            bytes: (self.shown.saturating_sub(bytes as u64), self.shown),
            lines: (self.lines.all().saturating_sub(lines), self.lines.all()),
            items: items.map(|(shown, all)| (all.saturating_sub(shown), all)),
            from_line,
        }
    }

    fn is_over(&self) -> bool {
        self.shown > self.size as u64
    }

    fn head_size(&self) -> usize {
        self.size / 3 * 2
    }

    fn tail_size(&self) -> usize {
        self.size - self.head_size()
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
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

    fn kept(text: &str, size: usize, form: Form, chunk: usize) -> KeptText {
        let mut kept = Kept::new(size, form, None);
        for chunk in text.as_bytes().chunks(chunk) {
            kept.push(chunk);
        }
        kept.text()
    }

    /// Of any list, wherever it is cut and however it comes: whole items, valid, and all counted.
    fn holds_whole_items(text: &str, form: Form, items_of: impl Fn(&str) -> Option<usize>) {
        let all = items_of(text).unwrap();
        let mut cuts = std::collections::BTreeSet::new();
        for size in (text.len() / 8..text.len()).step_by(7) {
            for chunk in [1, 13, 4096] {
                let found = kept(text, size, form, chunk);
                let Some(LeftOut { items, bytes, .. }) = found.left_out else {
                    panic!("{size} of {} fits", text.len())
                };
                if found.is_half {
                    assert!(found.text.contains("lines left out"));
                    continue;
                }
                let (left_out, of) = items.unwrap();
                let shown = items_of(&found.text).unwrap_or_else(|| panic!("{}", found.text));
                assert_eq!(
                    (shown + left_out as usize, of as usize),
                    (all, all),
                    "{}",
                    found.text
                );
                assert!(found.text.len() <= size && shown > 0);
                assert_eq!(
                    bytes,
                    ((text.len() - found.text.len()) as u64, text.len() as u64)
                );
                cuts.insert(shown);
            }
        }
        assert!(cuts.len() > 2, "{cuts:?}");
    }

    fn json_items(text: &str) -> Option<usize> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let list = value.get("items").unwrap_or(&value);
        list.as_array().map(Vec::len)
    }

    fn pods(count: usize) -> serde_json::Value {
        let pod = |number| {
            serde_json::json!({
                "kind": "Pod", "metadata": {"name": format!("pod-{number}")},
                "note": "a \"quoted\" ] } text\\",
                "spec": {"containers": [{"args": ["[", "{", "- x"]}, {"args": []}]},
            })
        };
        let items: Vec<_> = (0..count).map(pod).collect();
        serde_json::json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
    }

    #[test]
    fn json_over_the_cap_comes_as_whole_items() {
        let list = pods(20);
        for text in [
            serde_json::to_string_pretty(&list).unwrap() + "\n",
            list.to_string() + "\n",
            serde_json::to_string_pretty(&list["items"]).unwrap() + "\n",
        ] {
            holds_whole_items(&text, Form::Json, json_items);
        }
    }

    #[test]
    fn one_json_document_after_the_other_comes_as_whole_documents() {
        let list = pods(20);
        let documents: Vec<String> = (list["items"].as_array().unwrap().iter())
            .map(|item| serde_json::to_string_pretty(item).unwrap() + "\n")
            .collect();
        let count = |text: &str| {
            let documents =
                serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
            documents
                .collect::<Result<Vec<_>, _>>()
                .ok()
                .map(|all| all.len())
        };
        holds_whole_items(&documents.concat(), Form::Json, count);
    }

    #[test]
    fn yaml_over_the_cap_comes_as_whole_items() {
        let item = |number: usize, dash: &str, rest: &str| {
            format!(
                "{dash}kind: Pod\n{rest}note: |\n{rest}  - no item\n\n{rest}  items:\n{rest}list:\n{rest}- a\n{rest}- b{number}\n"
            )
        };
        let items = |dash: &str, rest: &str| -> String {
            (0..20).map(|number| item(number, dash, rest)).collect()
        };
        let count = |dash: &'static str| {
            move |text: &str| Some(text.lines().filter(|line| line.starts_with(dash)).count())
        };
        let end = "kind: List\nmetadata:\n  resourceVersion: \"\"\n";
        let list = format!("apiVersion: v1\nitems:\n{}{end}", items("- ", "  "));
        let whole = move |text: &str| text.ends_with(end).then(|| count("- kind")(text)).flatten();
        holds_whole_items(&list, Form::Yaml, whole);
        let indented = format!("apiVersion: v1\nitems:\n{}{end}", items("  - ", "    "));
        let whole = move |text: &str| {
            text.ends_with(end)
                .then(|| count("  - kind")(text))
                .flatten()
        };
        holds_whole_items(&indented, Form::Yaml, whole);
        holds_whole_items(&items("- ", "  "), Form::Yaml, count("- kind"));
        let documents: String = (0..20)
            .map(|number| format!("---\n{}", item(number, "", "")))
            .collect();
        holds_whole_items(&documents, Form::Yaml, count("kind"));
        let flow = serde_json::to_string_pretty(&pods(20)).unwrap() + "\n";
        holds_whole_items(&format!("---\n{flow}"), Form::Yaml, |text| {
            json_items(text.strip_prefix("---\n")?)
        });
    }

    #[test]
    fn a_document_that_has_no_items_that_fit_is_said_to_be_half() {
        let object = serde_json::json!({"data": {"a": "x".repeat(500)}, "kind": "ConfigMap"});
        let text = serde_json::to_string_pretty(&object).unwrap() + "\n";
        let found = kept(&text, 100, Form::Json, 64);
        assert!(
            found.is_half && found.text.contains("lines left out"),
            "{found:?}"
        );
        let yaml = format!("data:\n  a: {}\nkind: ConfigMap\n", "x".repeat(500));
        assert!(kept(&yaml, 100, Form::Yaml, 64).is_half);
        // What was to be JSON and is not is a text like any other.
        let text = "[INFO] a line\n".repeat(50);
        let found = kept(&text, 100, Form::Json, 64);
        assert!(!found.is_half && found.left_out.is_some(), "{found:?}");
    }

    #[test]
    fn lines_over_the_cap_are_counted() {
        let text: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let found = kept(&text, 300, Form::Lines, 4096);
        let left_out = found.left_out.unwrap();
        let shown = found.text.lines().count() as u64 - 1;
        assert_eq!(left_out.lines, (1000 - shown, 1000));
        assert_eq!(left_out.items, None);
        assert!(
            found
                .text
                .contains(&format!("[... {} of 1000 lines left out", 1000 - shown)),
            "{}",
            found.text
        );
    }
}
