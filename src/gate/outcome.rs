//! What a call came to.

use std::time::Duration;

use super::{
    body::{Body, ChangedBody, Confinement, KeptBody, LeftOutBody, PartBody, StageBody},
    pipeline::Stage,
};
use crate::{
    api::Effects,
    audit::milliseconds,
    command::Adjustment,
    output::{Captured, TextPart},
    refusal::{Code, Refusal},
    sandbox::{ExitStatus, LayerStatus},
    tool::Tool,
};

/// The end of a request.
#[derive(Debug)]
pub struct Outcome {
    /// The request's id, for the caller, the log and the audit.
    pub request_id: String,
    /// From the request to its end.
    pub took: Duration,
    /// The command that ran, as far as it came.
    pub ran: Option<Ran>,
    /// The answer to a request that only asks whether it may run, when it may.
    pub permitted: Option<Permitted>,
    /// The answer to a request for a part of an output that is kept.
    pub part: Option<GivenPart>,
    /// The reason why the command was not run, or not to its end.
    pub refusal: Option<Refusal>,
}

/// Why a command may run that was only asked about.
#[derive(Debug)]
pub struct Permitted {
    /// The rule that allows it; none for what needs none.
    pub rule: Option<String>,
    /// That it may run, and what would differ from what was sent.
    pub notes: Vec<String>,
}

/// A part of an output that is kept.
#[derive(Debug)]
pub struct GivenPart {
    /// The name of the output.
    pub id: String,
    /// The lines that were asked for.
    pub part: TextPart,
    /// Whether all of the output is kept.
    pub is_whole: bool,
}

/// An output that is kept, since the answer has a part of it.
#[derive(Clone, Debug)]
pub struct KeptWhole {
    /// Its name.
    pub id: String,
    /// The first line that the answer does not have, or not whole.
    pub from_line: u64,
    /// The lines that are kept.
    pub lines: u64,
    /// The bytes that are kept.
    pub bytes: u64,
    /// Whether that is all of it.
    pub is_whole: bool,
    /// For how long.
    pub time: Duration,
}

/// A command that ran.
#[derive(Debug)]
pub struct Ran {
    /// The tool that ran.
    pub tool: Tool,
    /// Whether the tool was started before the call.
    pub was_warm: bool,
    /// The tool's exit status; with filters, that of the last one.
    pub status: ExitStatus,
    /// The tool and the filters behind it, when there are any.
    pub stages: Vec<Stage>,
    /// Whether the tool before the filters failed, and not because they had read enough.
    pub tool_failed: bool,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// The rule that allowed it.
    pub rule: String,
    /// The layers it ran under.
    pub layers: Vec<LayerStatus>,
    /// The number of connections to another server than its own, which were refused.
    pub refused_connections: u32,
    /// The time that the call waited for a place.
    pub queued: Duration,
    /// What it did to its cluster, where its API requests were judged.
    pub effects: Option<Effects>,
    /// The bound at which it was ended, where it prints until then.
    pub bound: Option<Bound>,
    /// What is told beside the output.
    pub told: Told,
}

/// The bound at which a command was ended that prints until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its time.
    After(Duration),
    /// Its lines.
    Lines(u64),
}

/// What is told of a command beside its output.
#[derive(Debug, Default)]
pub struct Told {
    /// The flags that the server added.
    pub added: Vec<String>,
    /// The words that it left out.
    pub dropped: Vec<String>,
    /// The words that it changed.
    pub changed: Vec<ChangedBody>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
    /// The note that stands in the last line of the output: a log that may be incomplete.
    pub last_line: Option<String>,
    /// Where the rest of the output is.
    pub kept: Option<KeptWhole>,
}

impl GivenPart {
    /// Returns what there is to know of it beside its lines.
    fn notes(&self) -> Vec<String> {
        let TextPart {
            lines: (from, to),
            of_lines,
            matching,
            next,
            is_literal,
            ..
        } = &self.part;
        let all = match self.is_whole {
            true => format!("{of_lines}"),
            false => format!("{of_lines} that are kept"),
        };
        let looked_at = match (from <= to, matching) {
            (false, _) => format!("none of these lines is there, of {all}"),
            (true, None) => format!("lines {from} to {to} of {all}"),
            (true, Some(0)) => format!("no line matches in {from} to {to} of {all}"),
            (true, Some(matching)) => format!("{matching} match in lines {from} to {to} of {all}"),
        };
        let goes_on = next.map(|next| format!("it goes on with lines={next}-"));
        let literal = is_literal
            .then(|| "grep is no regular expression, and was taken as it stands".to_owned());
        [looked_at]
            .into_iter()
            .chain(goes_on)
            .chain(literal)
            .collect()
    }
}

impl Told {
    /// Adds one difference from the command that was sent.
    pub(super) fn adjusted(&mut self, adjustment: Adjustment) {
        match &adjustment {
            Adjustment::Added { .. } => {}
            Adjustment::Clamped { .. }
            | Adjustment::Dropped { .. }
            | Adjustment::Replaced { .. } => self.notes.push(adjustment.to_string()),
        }
        match adjustment {
            Adjustment::Added { word } => self.added.push(word),
            Adjustment::Dropped { word, .. } => self.dropped.push(word),
            Adjustment::Replaced { word, used, .. } => self.changed.push(ChangedBody {
                sent: word,
                ran: used,
            }),
            Adjustment::Clamped { flag, given, used } => self.changed.push(ChangedBody {
                sent: format!("{flag}={given}"),
                ran: format!("{flag}={used}"),
            }),
        }
    }
}

impl From<&KeptWhole> for KeptBody {
    fn from(kept: &KeptWhole) -> Self {
        Self {
            id: kept.id.clone(),
            from_line: kept.from_line,
            lines: kept.lines,
            bytes: kept.bytes,
            whole: kept.is_whole,
            seconds: kept.time.as_secs(),
        }
    }
}

impl From<&GivenPart> for PartBody {
    fn from(given: &GivenPart) -> Self {
        let part = &given.part;
        Self {
            id: given.id.clone(),
            from: part.lines.0,
            to: part.lines.1,
            of_lines: part.of_lines,
            matching: part.matching,
            next: part.next,
            whole: given.is_whole,
        }
    }
}

/// Makes a name for one request that nobody can guess.
pub(super) fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The filters whose status 1 says that there is no such line.
const SEARCHES: [&str; 3] = ["grep", "egrep", "fgrep"];

/// The status of a program that was killed.
const KILLED: i32 = 128 + 9;

/// The status of a program that printed more than was read.
const BROKEN_PIPE: i32 = 141;

impl Stage {
    /// Whether it ended with 1 and no error: an answer, and no failure.
    fn said_no(&self) -> bool {
        self.status.code() == 1 && self.error.is_empty()
    }
}

impl Ran {
    /// Returns the standard error of all stages, in their order.
    fn errors(&self) -> String {
        let mut text = self.stderr.text.clone();
        for stage in self
            .stages
            .iter()
            .skip(1)
            .filter(|stage| !stage.error.is_empty())
        {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&stage.error);
        }
        text
    }

    /// Whether the last filter looked for lines and found none, which is an answer.
    pub(super) fn nothing_found(&self) -> bool {
        let searches = |stage: &Stage| SEARCHES.contains(&stage.program);
        let last = self.stages.last().filter(|stage| searches(stage));
        let tool_failed = self.tool_failed && self.bound.is_none();
        last.is_some_and(Stage::said_no) && !tool_failed && !self.filter_failed()
    }

    /// Whether a filter before the last one failed: what it did not print, the next one cannot
    /// have read. One whose reader had enough did not.
    fn filter_failed(&self) -> bool {
        let between = self.stages.len().saturating_sub(1);
        let mut before = self.stages.iter().take(between).skip(1);
        before.any(|stage| {
            let left = stage.status.code() == BROKEN_PIPE || stage.error.contains("Broken pipe");
            stage.status.code() != 0 && !left && !stage.said_no()
        })
    }

    /// Returns the output, with a last line where it may be incomplete, and that line.
    fn output(&self) -> (String, Option<String>) {
        let mut output = self.stdout.text.clone();
        let note = self.told.last_line.as_ref().filter(|_| !output.is_empty());
        let line = note.map(|note| format!("[{note}]\n"));
        if let Some(line) = &line {
            if !output.ends_with('\n') {
                output.push('\n');
            }
            output.push_str(line);
        }
        (output, line)
    }

    /// Returns the exit status that the caller gets.
    fn exit_code(&self) -> i32 {
        match self.bound {
            Some(_) => 0,
            None => self.status.code(),
        }
    }

    /// Whether it did what was asked.
    fn succeeded(&self) -> bool {
        let ended = self.bound.is_some() || !self.tool_failed;
        (self.exit_code() == 0 || self.nothing_found()) && ended && !self.filter_failed()
    }

    /// Returns what an error of the tool means, where its own words do not say it.
    fn hint(&self) -> Option<&'static str> {
        let of_tool = self.stages.first().filter(|_| self.tool_failed);
        if of_tool.map_or(self.status, |tool| tool.status).code() == KILLED && self.bound.is_none()
        {
            return Some(
                "it was killed, as the kernel does when memory or processor time run out: ask for less (-l, --field-selector, -o name)",
            );
        }
        let mut known = self.tool.spec().failures.iter();
        let failure = known.find(|failure| self.stderr.text.contains(failure.stderr));
        failure
            .filter(|_| self.status.code() != 0)
            .map(|failure| failure.hint)
    }
}

impl Outcome {
    /// Returns the outcome of a request that a door refused before it reached the gate.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::nothing(request_id())
        }
    }

    /// Returns the outcome of a request that has come to nothing yet.
    pub(super) fn nothing(request_id: String) -> Self {
        Self {
            request_id,
            took: Duration::ZERO,
            ran: None,
            permitted: None,
            part: None,
            refusal: None,
        }
    }

    /// Returns the object that doors render.
    pub fn body(&self) -> Body {
        let refusal = self.refusal.as_ref();
        let ran = self.ran.as_ref();
        let permitted = self.permitted.as_ref();
        let stderr = ran.map(Ran::errors).filter(|text| !text.is_empty());
        let stage = |stage: &Stage| StageBody {
            program: stage.program.to_owned(),
            exit_code: stage.status.code(),
            error: Some(stage.error.clone()).filter(|text| !text.is_empty()),
        };
        let part = self.part.as_ref();
        let (output, last_line) = ran.map(Ran::output).unwrap_or_default();
        let output = part.map_or(output, |given| given.part.text.clone());
        let is_answered = permitted.is_some() || part.is_some();
        let exit_code = match (refusal, ran) {
            (None, Some(ran)) => ran.exit_code(),
            (None, None) if is_answered => 0,
            _ => -1,
        };
        let succeeded = ran.map_or(is_answered, Ran::succeeded);
        let notes = ran.map(|ran| ran.told.notes.clone());
        let notes = notes.or_else(|| permitted.map(|permitted| permitted.notes.clone()));
        let notes = notes.or_else(|| part.map(GivenPart::notes));
        Body {
            success: refusal.is_none() && succeeded,
            output,
            last_line,
            error: stderr.or_else(|| refusal.map(|refusal| self.reason(refusal))),
            exit_code,
            stages: ran
                .map(|ran| ran.stages.iter().map(stage).collect())
                .unwrap_or_default(),
            request_id: self.request_id.clone(),
            duration_ms: milliseconds(self.took),
            queued_ms: ran
                .map(|ran| milliseconds(ran.queued))
                .filter(|&queued| queued > 0),
            truncated: ran.is_some_and(|ran| ran.stdout.truncated || ran.stderr.truncated),
            left_out: ran
                .and_then(|ran| ran.stdout.left_out)
                .map(LeftOutBody::from),
            kept: ran
                .and_then(|ran| ran.told.kept.as_ref())
                .map(KeptBody::from),
            part: part.map(PartBody::from),
            added: ran.map(|ran| ran.told.added.clone()).unwrap_or_default(),
            dropped: ran.map(|ran| ran.told.dropped.clone()).unwrap_or_default(),
            changed: ran.map(|ran| ran.told.changed.clone()).unwrap_or_default(),
            notes: notes.unwrap_or_default(),
            rule: refusal
                .and_then(Refusal::rule)
                .or_else(|| ran.map(|ran| ran.rule.clone()))
                .or_else(|| permitted.and_then(|permitted| permitted.rule.clone())),
            sandbox: ran.map(|ran| Confinement::of(&ran.layers)),
            effects: ran
                .and_then(|ran| ran.effects.clone())
                .filter(|effects| !effects.is_empty()),
            code: refusal.map(Refusal::code),
            reason: refusal.map(|refusal| self.reason(refusal)),
            hint: refusal
                .map(Refusal::hint)
                .or_else(|| ran.and_then(Ran::hint).map(str::to_owned)),
        }
    }

    /// Returns the reason as the caller reads it. A fault's cause is for the log; the caller gets
    /// the request id to name it by.
    fn reason(&self, refusal: &Refusal) -> String {
        match refusal.code() {
            Code::Internal | Code::SandboxUnavailable => {
                format!("{refusal} (request {})", self.request_id)
            }
            _ => refusal.to_string(),
        }
    }

    /// Returns the word for metrics: `ran`, or the refusal's code.
    pub fn label(&self) -> &'static str {
        self.refusal
            .as_ref()
            .map_or("ran", |refusal| refusal.code().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(told: Told, output: &str) -> Body {
        let outcome = Outcome {
            ran: Some(Ran {
                tool: Tool::KUBECTL,
                was_warm: false,
                status: ExitStatus::Code(0),
                stages: Vec::new(),
                tool_failed: false,
                stdout: Captured {
                    text: output.into(),
                    ..Captured::default()
                },
                stderr: Captured::default(),
                rule: "r".into(),
                layers: Vec::new(),
                refused_connections: 0,
                queued: Duration::ZERO,
                effects: None,
                bound: None,
                told,
            }),
            refusal: None,
            ..Outcome::refused(Refusal::NoKubeconfig)
        };
        outcome.body()
    }

    #[test]
    fn every_kind_of_adjustment_is_told() {
        let mut told = Told::default();
        let (word, used) = ("all".to_owned(), "pods".to_owned());
        let (flag, given) = ("--timeout".to_owned(), "5m".to_owned());
        for adjustment in [
            Adjustment::Added {
                word: "--tail=5".into(),
            },
            Adjustment::Dropped {
                word: "2>&1".into(),
                why: "both come back",
            },
            Adjustment::Replaced {
                word,
                used,
                why: "so it is",
            },
            Adjustment::Clamped {
                flag,
                given,
                used: "60s".into(),
            },
        ] {
            let note = adjustment.to_string();
            told.adjusted(adjustment);
            let body = body_of(
                Told {
                    added: told.added.clone(),
                    notes: told.notes.clone(),
                    ..Told::default()
                },
                "",
            );
            assert!(body.words().contains(&note), "{note}: {}", body.words());
        }
        let body = serde_json::to_value(body_of(told, "").added).unwrap();
        assert_eq!(body, serde_json::json!(["--tail=5"]));
    }

    proptest::proptest! {
        /// Whatever was added, and whatever there is to know: in the object and in the server's
        /// words, once, and not in what was printed.
        #[test]
        fn nothing_that_is_told_is_missing_in_an_answer(
            tails in proptest::collection::vec(0..9_u16, 0..4),
            explained in 0..4_usize,
            others in proptest::collection::vec("[a-z ]{1,20}[0-9]{4}", 0..3),
            is_in_output in proptest::bool::ANY,
        ) {
            let added: Vec<String> = tails.iter().enumerate().map(|(at, tail)| format!("--flag{at}={tail}")).collect();
            let mut notes: Vec<String> = (added.iter().take(explained)).map(|flag| format!("added {flag}: --flag0=00")).collect();
            notes.extend(others);
            let last_line = notes.first().cloned().filter(|_| is_in_output);
            let body = body_of(Told { added: added.clone(), notes: notes.clone(), last_line, ..Told::default() }, "output\n");
            proptest::prop_assert_eq!((&body.added, &body.notes), (&added, &notes));
            proptest::prop_assert_eq!(body.printed(), "output\n", "what the server adds is no output");
            let text = body.words();
            let remarks = text.trim_end().trim_start_matches('[').trim_end_matches(']');
            let told = |part: &str| remarks.split("; ").filter(|told| *told == part).count();
            for note in &notes {
                proptest::prop_assert!(told(note) >= 1, "{}", text);
            }
            for flag in &added {
                let is_explained = notes.iter().any(|note| note.starts_with(&format!("added {flag}: ")));
                let is_listed = remarks.split("; ").any(|told| told.strip_prefix("added ").is_some_and(|flags| flags.split(' ').any(|listed| listed == flag)));
                proptest::prop_assert!(is_explained || is_listed, "{}", text);
            }
            proptest::prop_assert_eq!(remarks.is_empty(), added.is_empty() && notes.is_empty());
        }
    }
}
