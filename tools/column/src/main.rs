//! `column -t`, as far as a filter of kube-airlock is called, and nothing else: busybox has none.
//!
//! In: lines on standard input. Out: the same lines, their fields under each other, as util-linux
//! 2.38 prints them, but for blanks at the ends of lines. It reads no file and no environment,
//! starts nothing, and has one thread. The whole table is kept, as its widths are known at its end;
//! the limit on its memory is the sandbox's.
//!
//! Held by `tests/table.rs`.

#![forbid(unsafe_code)]

use std::{
    env,
    io::{self, BufWriter, Read, Write},
    process::ExitCode,
};

/// Said to everybody who calls it otherwise; `tools/build` looks for the version in it.
const REFUSAL: &str = concat!(
    "airlock-column ",
    env!("CARGO_PKG_VERSION"),
    " understands `column -t [-s SEPARATORS] [-o SEPARATOR]`"
);

fn main() -> ExitCode {
    let words: Vec<String> = env::args_os()
        .skip(1)
        .take(6)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let Some(layout) = Layout::read(&words) else {
        let _ = writeln!(io::stderr(), "{REFUSAL}");
        return ExitCode::from(2);
    };
    let mut bytes = Vec::new();
    if let Err(error) = io::stdin().lock().read_to_end(&mut bytes) {
        let _ = writeln!(io::stderr(), "column: standard input: {error}");
        return ExitCode::FAILURE;
    }
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    match layout
        .print(&String::from_utf8_lossy(&bytes), &mut out)
        .and_then(|()| out.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // whoever reads it is gone
    }
}

/// How a table is read and printed.
struct Layout {
    /// The characters between fields, each a border by itself; `None`: blanks, as many as there
    /// are.
    separators: Option<String>,
    between: String,
}

impl Layout {
    /// `-t`, then `-s VALUE` and `-o VALUE`, each once.
    fn read(words: &[String]) -> Option<Self> {
        let (first, mut rest) = words.split_first()?;
        if first != "-t" {
            return None;
        }
        let (mut separators, mut between) = (None, None);
        while let [flag, value, others @ ..] = rest {
            let place = match flag.as_str() {
                "-s" if !value.is_empty() => &mut separators,
                "-o" => &mut between,
                _ => return None,
            };
            if place.replace(value.clone()).is_some() {
                return None;
            }
            rest = others;
        }
        rest.is_empty().then(|| Self {
            separators,
            between: between.unwrap_or_else(|| "  ".to_owned()),
        })
    }

    fn fields<'a>(&'a self, line: &'a str) -> Vec<&'a str> {
        match &self.separators {
            None => line.split_whitespace().collect(),
            Some(separators) => line
                .split(|character| separators.contains(character))
                .collect(),
        }
    }

    fn print(&self, text: &str, out: &mut impl Write) -> io::Result<()> {
        // Lines of blanks are no rows.
        let rows = || {
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| self.fields(line))
        };
        let mut widths: Vec<usize> = Vec::new();
        for row in rows() {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, field) in widths.iter_mut().zip(&row) {
                *width = (*width).max(width_of(field));
            }
        }
        let last = widths.len().saturating_sub(1);
        for row in rows() {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let field = row.get(column).copied().unwrap_or_default();
                line.push_str(field);
                if column < last {
                    line.extend(std::iter::repeat_n(' ', width - width_of(field)));
                    line.push_str(&self.between);
                }
            }
            writeln!(out, "{}", line.trim_end_matches(' '))?;
        }
        Ok(())
    }
}

/// In characters: what prints two cells wide is off by one, as it is in kubectl's own tables.
fn width_of(field: &str) -> usize {
    field.chars().count()
}
