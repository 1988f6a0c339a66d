//! A request for a part of an output that is kept, before it is answered: [`PartRequest`].
//!
//! Comes in: the command `output ID lines=FROM-TO grep=TEXT`, or the same from a path and its query.
//! No tool has such a verb, and none is started for it: a client that can only call tools reads the
//! rest of an output by the words that its answer has for it, and no schema tells of them.

use url::form_urlencoded;

use super::request::Request;
use crate::{
    advice::Advice, command::split_stages, excerpt::Excerpt, output::Slice, refusal::Refusal,
};

/// What comes before the name of an output.
pub(super) const COMMAND: &str = "output";

/// A request for a part of an output.
#[derive(Debug)]
pub struct PartRequest {
    /// The name of the output.
    pub(super) id: String,
    pub(super) slice: Slice,
    /// The most bytes that the caller wants.
    pub(super) max_output: Option<usize>,
}

impl PartRequest {
    /// Reads the query behind the name of an output, in a path or in a URI.
    ///
    /// # Errors
    /// [`Refusal::Request`] for what is not asked for so.
    pub fn of_query(id: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let mut wanted = PartWords::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            wanted.put(&key, value.into_owned(), || format!("{key}="))?;
        }
        wanted.of(id)
    }

    /// Reads a command that is one; `None` for a tool's own.
    ///
    /// # Errors
    /// What of it is wrong.
    pub(super) fn of_command(request: &Request) -> Option<Result<Self, Refusal>> {
        let text = request.command.trim_start();
        let bare = text.strip_prefix(request.tool.as_str());
        let bare = bare.filter(|rest| rest.starts_with(' ')).unwrap_or(text);
        let rest = bare.trim_start().strip_prefix(COMMAND)?;
        (rest.is_empty() || rest.starts_with(' ')).then(|| Self::of_words(request))
    }

    fn of_words(request: &Request) -> Result<Self, Refusal> {
        let stages = split_stages(request.tool, &request.command)?;
        if !stages.filters.is_empty() {
            let what = "no filter stands behind `output`";
            return Err(wrong(
                what.into(),
                "write grep=TEXT instead of `| grep TEXT`",
            ));
        }
        let mut words = stages.command.iter().skip(1).map(String::as_str);
        let Some(id) = words.next().filter(|word| !word.contains('=')) else {
            let what = "`output` names none";
            return Err(wrong(what.into(), USAGE));
        };
        let mut wanted = PartWords::default();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            wanted.put(key, value.to_owned(), || word.to_owned())?;
        }
        Ok(Self {
            max_output: request.max_output,
            ..wanted.of(id)?
        })
    }
}

/// What is wanted of an output.
#[derive(Default)]
struct PartWords {
    lines: Option<String>,
    grep: Option<String>,
}

impl PartWords {
    /// Takes one word; `shown` is what to call it.
    fn put(&mut self, key: &str, value: String, shown: impl Fn() -> String) -> Result<(), Refusal> {
        let place = match key {
            "lines" => &mut self.lines,
            "grep" => &mut self.grep,
            _ => {
                let what = format!("`{COMMAND}` takes no {}", Excerpt::new(&shown()));
                return Err(wrong(what, USAGE));
            }
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => {
                let what = format!("{} stands there twice", Excerpt::new(&shown()));
                Err(wrong(what, USAGE))
            }
        }
    }

    fn of(self, id: &str) -> Result<PartRequest, Refusal> {
        let slice = Slice::read(self.lines.as_deref(), self.grep.as_deref());
        Ok(PartRequest {
            id: id.to_owned(),
            slice: slice.map_err(Refusal::Request)?,
            max_output: None,
        })
    }
}

const USAGE: &str = "write `output ID lines=FROM-TO`, and grep=TEXT for lines that have it";

fn wrong(reason: String, hint: &str) -> Refusal {
    Refusal::Request(Advice::new(reason, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::Catalogue, tool::Tool};

    fn read(command: &str) -> Option<Result<String, String>> {
        let read = PartRequest::of_command(&Request::question(Tool::KUBECTL, command))?;
        Some(
            read.map(|asked| asked.id)
                .map_err(|error| error.to_string()),
        )
    }

    #[test]
    fn the_command_for_an_output_is_no_tools_own() {
        for catalogue in Catalogue::carried().unwrap() {
            let mut children = catalogue.root().children.iter();
            let taken = children.any(|child| {
                child.name() == COMMAND || child.aliases.iter().any(|alias| alias == COMMAND)
            });
            assert!(!taken, "{} has a verb of that name", catalogue.tool());
        }
        for own in [
            "get pods",
            "outputs x",
            "get output",
            "",
            "kubectl get output",
        ] {
            assert_eq!(read(own), None, "{own}");
        }
    }

    #[test]
    fn a_query_names_the_same() {
        let read = |query: Option<&str>| {
            let read = PartRequest::of_query("abc", query);
            read.map(|asked| asked.id)
                .map_err(|error| error.to_string())
        };
        for query in [None, Some(""), Some("lines=7-90&grep=a%20b%7Cc")] {
            assert_eq!(read(query), Ok("abc".into()), "{query:?}");
        }
        for (query, reason) in [
            ("head=5", "`output` takes no `head=`"),
            ("lines=1&lines=2", "`lines=` stands there twice"),
            ("lines=", "`` names no lines"),
        ] {
            assert_eq!(read(Some(query)), Err(reason.into()), "{query}");
        }
    }

    #[test]
    fn a_part_is_named_by_words_and_nothing_else_stands_there() {
        for command in [
            "output abc",
            "kubectl output abc lines=7-",
            "  output abc grep='a b|c' lines=7-90",
        ] {
            assert_eq!(read(command), Some(Ok("abc".into())), "{command}");
        }
        for (command, reason) in [
            ("output", "`output` names none"),
            ("output lines=1-2", "`output` names none"),
            ("output abc head=5", "`output` takes no `head=5`"),
            ("output abc --lines=5", "`output` takes no `--lines=5`"),
            ("output abc lines=1 lines=2", "`lines=2` stands there twice"),
            ("output abc lines=x", "`x` names no lines"),
            ("output abc | grep x", "no filter stands behind `output`"),
        ] {
            assert_eq!(read(command), Some(Err(reason.into())), "{command}");
        }
    }
}
