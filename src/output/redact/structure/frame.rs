//! What is known of one mapping or list that has begun and not ended.

use super::held::{Fate, Held, Since};

/// What an object is, by its `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Other,
    Secret,
    /// The API server gives the kind of a list's items once, for the list.
    SecretList,
    Unknown,
}

impl Kind {
    /// Nothing written is no kind.
    pub(super) fn of(text: Option<&[u8]>) -> Self {
        match text.map(<[u8]>::trim_ascii) {
            Some(b"") => Self::Unknown,
            Some(b"Secret") => Self::Secret,
            Some(b"SecretList") => Self::SecretList,
            // Nobody writes it in lines of its own, and they are not looked for.
            Some([b'|' | b'>', ..]) => Self::Secret,
            _ => Self::Other,
        }
    }
}

/// The keys that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    ApiVersion,
    /// `data` or `stringData`.
    Data,
    Kind,
    Other,
}

impl Key {
    pub(super) fn of(text: Option<&[u8]>) -> Self {
        match text.map(<[u8]>::trim_ascii) {
            Some(b"data" | b"stringData") => Self::Data,
            Some(b"kind") => Self::Kind,
            Some(b"apiVersion") => Self::ApiVersion,
            _ => Self::Other,
        }
    }
}

/// How a mapping or list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// By indentation, its keys in this column. Made when one of its keys matters.
    Block {
        column: u32,
    },
    FlowMap,
    FlowSequence,
}

/// The lines of a block mapping's `data`.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The column of its keys, once there is one.
    pub(super) keys: Option<u32>,
    /// The value that is being read, or what may be a key.
    pub(super) place: Option<u64>,
    pub(super) entry: Entry,
}

/// What is due in a line of a mapping's `data`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Entry {
    /// A key, for which the place is held.
    Key,
    #[default]
    Nothing,
    /// The value of the key that was read.
    Value,
}

#[derive(Debug)]
pub(super) struct Frame {
    /// A number of its own.
    pub(super) object: u64,
    pub(super) shape: Shape,
    pub(super) kind: Kind,
    /// Whether it is an item of a list of Secrets.
    pub(super) in_secret_list: bool,
    /// Whether it has an `apiVersion`, so that a kind is to be expected.
    pub(super) has_version: bool,
    /// Its kind did not come in time.
    overdue: bool,
    /// Since when places are open.
    since: Option<Since>,
    /// The key that was read last, in flow style.
    pub(super) key: Key,
    /// Whether the key has its colon.
    pub(super) colon: bool,
    /// Whether the value has begun.
    pub(super) value: bool,
    /// Whether this is the `data` of the mapping around it.
    pub(super) is_data: bool,
    /// The value that is being read, of a `data` in flow style.
    pub(super) place: Option<u64>,
    /// The lines of its `data`, in block style.
    pub(super) lines: Option<Lines>,
}

impl Frame {
    pub(super) fn new(object: u64, shape: Shape, around: Option<&Self>) -> Self {
        Self {
            object,
            shape,
            kind: Kind::Unknown,
            in_secret_list: around
                .is_some_and(|around| around.in_secret_list || around.kind == Kind::SecretList),
            has_version: false,
            overdue: false,
            since: None,
            key: Key::Other,
            colon: false,
            value: false,
            is_data: false,
            place: None,
            lines: None,
        }
    }

    pub(super) fn is_flow(&self) -> bool {
        !matches!(self.shape, Shape::Block { .. })
    }

    pub(super) fn column(&self) -> Option<u32> {
        match self.shape {
            Shape::Block { column } => Some(column),
            Shape::FlowMap | Shape::FlowSequence => None,
        }
    }

    /// Whether nothing of its data can be taken out.
    pub(super) fn is_no_secret(&self) -> bool {
        matches!(self.kind, Kind::Other | Kind::SecretList)
    }

    /// What becomes of a value of its data that begins at `now`.
    pub(super) fn fate(&mut self, now: u64, held: &Held) -> Option<Fate> {
        match self.kind {
            Kind::Other | Kind::SecretList => None,
            Kind::Secret => Some(Fate::Out),
            Kind::Unknown if self.in_secret_list || self.overdue => Some(Fate::Out),
            Kind::Unknown => {
                let since = *self.since.get_or_insert_with(|| held.since(now));
                Some(if held.is_overdue(since, now) {
                    Fate::Out
                } else {
                    Fate::Open
                })
            }
        }
    }

    /// Its kind is read.
    pub(super) fn is_a(&mut self, kind: Kind, now: u64, held: &mut Held) {
        if self.kind == Kind::Secret || kind == Kind::Unknown {
            return; // once a Secret, always one, whatever is written twice
        }
        self.kind = kind;
        self.settle(
            if kind == Kind::Secret {
                Fate::Out
            } else {
                Fate::Kept
            },
            now,
            held,
        );
    }

    /// It ends, or nobody waits any more: what is open becomes of this fate, unless that comes too
    /// late.
    pub(super) fn settle(&mut self, fate: Fate, now: u64, held: &mut Held) {
        if let Some(since) = self.since.take() {
            let fate = if held.is_overdue(since, now) {
                Fate::Out
            } else {
                fate
            };
            held.settle(self.object, since, fate);
        }
    }

    /// Its kind is not waited for any longer when it is late.
    pub(super) fn give_up(&mut self, now: u64, held: &mut Held) {
        if self.since.is_some_and(|since| held.is_overdue(since, now)) {
            self.overdue = true;
            self.settle(Fate::Out, now, held);
        }
    }

    /// The places that go on.
    pub(super) fn growing(&self) -> impl Iterator<Item = u64> + '_ {
        self.place
            .into_iter()
            .chain(self.lines.as_ref().and_then(|lines| lines.place))
    }

    /// A value ends.
    pub(super) fn close(&mut self, end: u64, next: u64, held: &mut Held) {
        for id in self
            .place
            .take()
            .into_iter()
            .chain(self.lines.as_mut().and_then(|lines| lines.place.take()))
        {
            held.close(id, end, next);
        }
    }
}
