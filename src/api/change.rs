//! [`ChangeForm`] and [`BodyChange`]: which fields of an object the body of a write may change, and what
//! they may become: as a table says it, and as one command fills it in.
//!
//! `/spec/replicas = --replicas` is a field and the flag that tells its value; `/spec/taints` a field,
//! with all below it. The grammar is at the head of `kubectl.api.toml`.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    edit::ListEdit,
    walk::{Becomes, FieldPath, fields_of},
};
use crate::{command::Invocation, glob, unit::go_duration};

/// A field that may change, as a table says it.
#[derive(Clone, Debug)]
pub(super) struct ChangeForm {
    /// The flag with which it counts.
    when: Option<String>,
    /// The path, with its placeholders.
    path: Vec<String>,
    to: ToForm,
}

/// What a field may become, as a table says it.
#[derive(Clone, Debug)]
enum ToForm {
    Anything,
    /// A list of elements of this flag.
    Among(String),
    /// One of the elements of this flag, or what stands before or behind their colons.
    AnyOf(String, AccountPart),
    /// The value of this flag, or what counts where it is not given.
    Flag(String, Option<String>),
    /// This.
    Json(Value),
    /// A name of the command.
    Name,
    /// The seconds in this flag.
    Seconds(String),
    /// A moment.
    Time,
    /// The list that was there, with the subjects that the command adds.
    Subjects,
    /// The list that was there, with the taints that the command sets, and without those that it
    /// removes.
    Taints,
    /// The last operand.
    Word,
    /// The words behind `--`.
    Words,
}

/// What of an element `NAMESPACE:NAME` counts.
#[derive(Clone, Copy, Debug)]
enum AccountPart {
    Before,
    Behind,
    Whole,
}

/// A field that may change, as a command fills it in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BodyChange {
    path: Vec<FieldStep>,
    to: To,
}

/// One key of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FieldStep {
    /// This one.
    Key(String),
    /// One that the glob covers.
    Glob(String),
}

/// What a field may become.
#[derive(Clone, Debug, PartialEq)]
enum To {
    /// Anything, and all below it.
    Anything,
    /// A list of some of these.
    Among(Vec<String>),
    /// The list that the call has read, edited so.
    Edited(ListEdit),
    /// Nothing: it is removed.
    Gone,
    /// This.
    Json(Value),
    /// A value that is written so.
    Text(String),
    /// A moment.
    Time,
}

impl ChangeForm {
    /// Reads `[--FLAG: ]PATH[ = VALUE]`.
    ///
    /// # Errors
    /// A sentence that names what is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (when, rest) = match text.split_once(": ").filter(|_| text.starts_with("--")) {
            Some((flag, rest)) => (Some(flag_in(flag)?), rest),
            None => (None, text),
        };
        let (path, value) = match rest.split_once(" = ") {
            Some((path, value)) => (path, Some(value)),
            None => (rest, None),
        };
        let fields = fields_of(path).filter(|fields| !fields.is_empty());
        let fields = fields.ok_or_else(|| format!("`{path}` is no path of a field"))?;
        let to = value.map_or(Ok(ToForm::Anything), ToForm::read)?;
        Ok(Self {
            when,
            path: fields.into_iter().map(Cow::into_owned).collect(),
            to,
        })
    }

    /// The fields of an object of `resource` that `invocation` may change by it.
    pub(super) fn of(&self, invocation: &Invocation, resource: &str) -> Vec<BodyChange> {
        let given = |flag: &String| invocation.flag(flag).is_some_and(|value| value != "false");
        if self.when.as_ref().is_some_and(|flag| !given(flag)) {
            return Vec::new();
        }
        let to = self.to.of(invocation).into_iter();
        let mut changes: Vec<BodyChange> = to.map(|to| BodyChange { path: vec![], to }).collect();
        for field in &self.path {
            let filled = changes
                .into_iter()
                .flat_map(|change| change.with(field, invocation, resource));
            changes = filled.collect();
        }
        changes
    }

    /// The flags that it names.
    #[cfg(test)]
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        let of_value = match &self.to {
            ToForm::Among(flag)
            | ToForm::AnyOf(flag, _)
            | ToForm::Flag(flag, _)
            | ToForm::Seconds(flag) => Some(flag),
            ToForm::Anything
            | ToForm::Json(_)
            | ToForm::Name
            | ToForm::Subjects
            | ToForm::Taints
            | ToForm::Time
            | ToForm::Word
            | ToForm::Words => None,
        };
        let of_path = self.path.iter().filter_map(|field| {
            let (flag, _) = field.strip_prefix("{--")?.split_once(['|', '}'])?;
            Some(flag)
        });
        let own = self.when.iter().chain(of_value).map(String::as_str);
        own.chain(of_path)
    }
}

impl ToForm {
    fn read(text: &str) -> Result<Self, String> {
        let behind = |word: &str| text.strip_prefix(word).map(flag_in);
        for (word, part) in [
            ("any ", AccountPart::Whole),
            ("before ", AccountPart::Before),
            ("behind ", AccountPart::Behind),
        ] {
            if let Some(flag) = behind(word) {
                return Ok(Self::AnyOf(flag?, part));
            }
        }
        if let Some(flag) = behind("each ") {
            return Ok(Self::Among(flag?));
        }
        if let Some(flag) = behind("seconds ") {
            return Ok(Self::Seconds(flag?));
        }
        Ok(match text {
            "--" => Self::Words,
            "name" => Self::Name,
            "subjects" => Self::Subjects,
            "taints" => Self::Taints,
            "time" => Self::Time,
            "word" => Self::Word,
            flag if flag.starts_with("--") => match flag.split_once('|') {
                Some((flag, default)) => Self::Flag(flag_in(flag)?, Some(default.to_owned())),
                None => Self::Flag(flag_in(flag)?, None),
            },
            json => {
                let json = serde_json::from_str(json);
                Self::Json(json.map_err(|_| format!("`{text}`: no value is written so"))?)
            }
        })
    }

    /// What a field may become by this command; nothing where the command does not say it.
    fn of(&self, invocation: &Invocation) -> Vec<To> {
        let values = |flag: &String| invocation.flags().get(flag).cloned().unwrap_or_default();
        let elements = |flag: &String| {
            let values = values(flag);
            let elements = values.iter().flat_map(|value| value.split(','));
            elements.map(str::to_owned).collect::<Vec<_>>()
        };
        match self {
            Self::Anything => vec![To::Anything],
            Self::Among(flag) => vec![To::Among(elements(flag))],
            Self::AnyOf(flag, part) => {
                let elements = elements(flag);
                let parts = elements.iter().filter_map(|element| match part {
                    AccountPart::Before => Some(element.split_once(':')?.0),
                    AccountPart::Behind => Some(element.split_once(':')?.1),
                    AccountPart::Whole => Some(element.as_str()),
                });
                parts.map(|part| To::Text(part.to_owned())).collect()
            }
            Self::Flag(flag, default) => {
                let value = invocation.flag(flag).or(default.as_deref());
                value
                    .map(|value| To::Text(value.to_owned()))
                    .into_iter()
                    .collect()
            }
            Self::Json(Value::Null) => vec![To::Gone],
            Self::Json(value) => vec![To::Json(value.clone())],
            Self::Name => invocation.names().iter().cloned().map(To::Text).collect(),
            Self::Seconds(flag) => {
                let duration = invocation.flag(flag).and_then(go_duration);
                let seconds = duration.map(|duration| To::Text(duration.as_secs().to_string()));
                seconds.into_iter().collect()
            }
            Self::Subjects => vec![To::Edited(ListEdit::of_subjects(invocation))],
            Self::Taints => vec![To::Edited(ListEdit::of_taints(invocation))],
            Self::Time => vec![To::Time],
            Self::Word => invocation
                .operands()
                .last()
                .cloned()
                .map(To::Text)
                .into_iter()
                .collect(),
            Self::Words => {
                let words = invocation.after_dash().unwrap_or_default();
                vec![To::Json(words.into())]
            }
        }
    }
}

impl BodyChange {
    /// The same path with one field more, of which a placeholder stands for any number.
    fn with(self, field: &str, invocation: &Invocation, resource: &str) -> Vec<Self> {
        let and = |steps: &[FieldStep]| Self {
            path: [self.path.as_slice(), steps].concat(),
            to: self.to.clone(),
        };
        let keys = |keys: &[&str]| {
            let keys = keys.iter().map(|key| FieldStep::Key((*key).to_owned()));
            keys.collect::<Vec<_>>()
        };
        let of_pairs = |step: fn(String) -> FieldStep| {
            let set = invocation.pairs().into_iter().filter_map(move |pair| {
                let (key, value) = pair.split_once('=')?;
                Some((step(key.to_owned()), To::Text(value.to_owned())))
            });
            let set = set.map(|(step, to)| Self { to, ..and(&[step]) });
            set.collect::<Vec<_>>()
        };
        match field {
            "{template}" => vec![and(&keys(template_of(resource)))],
            "{pod}" => vec![and(&[keys(template_of(resource)), keys(&["spec"])].concat())],
            "{pairs}" => of_pairs(FieldStep::Key),
            "{encoded}" => {
                let encoded = of_pairs(FieldStep::Key)
                    .into_iter()
                    .map(|change| match change.to {
                        To::Text(text) => Self {
                            to: To::Text(BASE64_STANDARD.encode(text)),
                            ..change
                        },
                        _ => change,
                    });
                encoded.collect()
            }
            "{containers}" => of_pairs(FieldStep::Glob),
            "{removed}" => {
                let pairs = invocation.pairs().into_iter();
                let removed = pairs.filter(|pair| !pair.contains('='));
                let removed = removed.filter_map(|pair| Some(pair.strip_suffix('-')?.to_owned()));
                removed
                    .map(|key| Self {
                        to: To::Gone,
                        ..and(&[FieldStep::Key(key)])
                    })
                    .collect()
            }
            "*" => vec![and(&[FieldStep::Glob("*".into())])],
            field => match field.strip_prefix("{--") {
                Some(flag) => {
                    let (flag, default) = flag
                        .trim_end_matches('}')
                        .split_once('|')
                        .unwrap_or((flag.trim_end_matches('}'), ""));
                    let globs = invocation.flag(flag).unwrap_or(default).split(',');
                    let globs = globs.filter(|glob| !glob.is_empty());
                    globs
                        .map(|glob| and(&[FieldStep::Glob(glob.to_owned())]))
                        .collect()
                }
                None => vec![and(&[FieldStep::Key(field.to_owned())])],
            },
        }
    }

    /// Whether it needs the list that was there.
    pub(super) fn edits(&self) -> bool {
        matches!(self.to, To::Edited(_))
    }

    /// Whether it explains what becomes of the field at `path`; `before` is the list that it edits,
    /// where the call has read that.
    pub(super) fn explains(
        &self,
        path: &FieldPath<'_>,
        becomes: Becomes<'_>,
        before: Option<&[Value]>,
    ) -> bool {
        let is_there = match self.to {
            To::Anything => path.len() >= self.path.len(),
            _ => path.len() == self.path.len(),
        };
        let mut steps = self.path.iter().zip(path);
        is_there && steps.all(|(step, field)| step.covers(field)) && self.to.covers(becomes, before)
    }
}

impl fmt::Display for BodyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.path {
            let (FieldStep::Key(text) | FieldStep::Glob(text)) = step;
            write!(f, "/{}", text.replace('~', "~0").replace('/', "~1"))?;
        }
        match &self.to {
            To::Anything => Ok(()),
            To::Among(elements) => write!(f, " = some of {}", elements.join(",")),
            To::Edited(_) => f.write_str(" (as the command edits it)"),
            To::Gone => f.write_str(" = null"),
            To::Json(value) => write!(f, " = {value}"),
            To::Text(text) => write!(f, " = {text}"),
            To::Time => f.write_str(" = (a moment)"),
        }
    }
}

impl FieldStep {
    fn covers(&self, field: &str) -> bool {
        match self {
            Self::Key(key) => key == field,
            Self::Glob(glob) => glob::matches(glob, field),
        }
    }
}

impl To {
    fn covers(&self, becomes: Becomes<'_>, before: Option<&[Value]>) -> bool {
        match (self, becomes) {
            (Self::Anything, _) | (Self::Gone, Becomes::Gone | Becomes::Absent) => true,
            (Self::Gone, Becomes::Is(value)) => value.is_null(),
            (Self::Json(told), Becomes::Is(value)) => told == value,
            (Self::Among(told), Becomes::Is(Value::Array(elements))) => {
                let is_told = |element: &Value| told.iter().any(|told| element == told.as_str());
                elements.iter().all(is_told)
            }
            (Self::Edited(edit), Becomes::Is(Value::Array(after))) => {
                before.is_some_and(|before| edit.explains(before, after))
            }
            (Self::Edited(edit), Becomes::Gone) => {
                before.is_some_and(|before| edit.explains(before, &[]))
            }
            // Typed clients leave out what has no value.
            (Self::Text(told), Becomes::Absent) => told == "0",
            (Self::Text(told), Becomes::Is(Value::String(text))) => told == text,
            (Self::Text(told), Becomes::Is(value @ (Value::Bool(_) | Value::Number(_)))) => {
                let text = value.to_string();
                text == *told
            }
            (Self::Time, Becomes::Is(Value::String(text))) => is_time(text),
            _ => false,
        }
    }
}

/// Whether a text is a moment as Go writes it (RFC 3339), and nothing else that could be told by it.
fn is_time(text: &str) -> bool {
    let shape = |byte: &u8| byte.is_ascii_digit() || b"-:.TZ+".contains(byte);
    (20..=35).contains(&text.len())
        && text.bytes().all(|byte| shape(&byte))
        && text.starts_with("20")
        && text.get(10..11) == Some("T")
}

/// Where an object of a kind has the template of its pods; a pod is one itself.
fn template_of(resource: &str) -> &'static [&'static str] {
    match resource {
        "pods" => &[],
        "cronjobs.batch" => &["spec", "jobTemplate", "spec", "template"],
        _ => &["spec", "template"],
    }
}

fn flag_in(text: &str) -> Result<String, String> {
    let flag = text.strip_prefix("--").filter(|flag| !flag.is_empty());
    flag.map(str::to_owned)
        .ok_or_else(|| format!("`{text}` is no flag"))
}
