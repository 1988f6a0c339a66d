//! What is known of one mapping or list that has begun and not ended.

use super::held::{Fate, HeldText, Since};

/// What an object is, by its `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Other,
    Secret,
    /// The API server gives the kind of a list's items once, for the list.
    SecretList,
    Unknown,
}

impl ObjectKind {
    /// Nothing written is no kind, nor is what no object of Kubernetes has: a line of a log may
    /// begin with `kind:`, and a Secret follow it.
    pub(super) fn of(text: Option<&[u8]>) -> Self {
        match text.map(<[u8]>::trim_ascii) {
            Some(b"Secret") => Self::Secret,
            Some(b"SecretList") => Self::SecretList,
            // Nobody writes it in lines of its own, and they are not looked for.
            Some([b'|' | b'>', ..]) => Self::Secret,
            Some([b'A'..=b'Z', rest @ ..]) if rest.iter().all(u8::is_ascii_alphanumeric) => {
                Self::Other
            }
            _ => Self::Unknown,
        }
    }
}

/// The keys that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownKey {
    ApiVersion,
    /// `data` or `stringData`.
    Data,
    Kind,
    Other,
}

impl KnownKey {
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
pub(super) enum FrameShape {
    /// By indentation, its keys in this column. Made when one of its keys matters.
    Block {
        column: u32,
    },
    FlowMap,
    FlowSequence,
}

/// The lines of a block mapping's `data`.
#[derive(Debug, Default)]
pub(super) struct DataLines {
    /// The column of its keys, once there is one.
    pub(super) keys: Option<u32>,
    /// The value that is being read, or what may be a key.
    pub(super) place: Option<u64>,
    pub(super) entry: EntryPart,
}

/// What is due in a line of a mapping's `data`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EntryPart {
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
    pub(super) shape: FrameShape,
    pub(super) kind: ObjectKind,
    /// Whether it is an item of a list of Secrets.
    pub(super) in_secret_list: bool,
    /// Whether it has an `apiVersion`, so that a kind is to be expected.
    pub(super) has_version: bool,
    /// Its kind did not come in time.
    overdue: bool,
    /// Since when places are open, and whether that was before it had any kind.
    since: Option<(Since, bool)>,
    /// Which of the keys that matter it has, where it is indented.
    seen: u8,
    /// The key that was read last, in flow style.
    pub(super) key: KnownKey,
    /// Whether the key has its colon.
    pub(super) colon: bool,
    /// Whether the value has begun.
    pub(super) value: bool,
    /// Whether this is the `data` of the mapping around it.
    pub(super) is_data: bool,
    /// The value that is being read, of a `data` in flow style.
    pub(super) place: Option<u64>,
    /// The lines of its `data`, in block style.
    pub(super) lines: Option<DataLines>,
}

impl Frame {
    pub(super) fn new(object: u64, shape: FrameShape, around: Option<&Self>) -> Self {
        Self {
            object,
            shape,
            kind: ObjectKind::Unknown,
            in_secret_list: around.is_some_and(|around| {
                around.in_secret_list || around.kind == ObjectKind::SecretList
            }),
            has_version: false,
            overdue: false,
            since: None,
            seen: 0,
            key: KnownKey::Other,
            colon: false,
            value: false,
            is_data: false,
            place: None,
            lines: None,
        }
    }

    pub(super) fn is_flow(&self) -> bool {
        !matches!(self.shape, FrameShape::Block { .. })
    }

    pub(super) fn column(&self) -> Option<u32> {
        match self.shape {
            FrameShape::Block { column } => Some(column),
            FrameShape::FlowMap | FrameShape::FlowSequence => None,
        }
    }

    /// Whether nothing of its data can be taken out. Lines in one column may be those of two
    /// objects, with no `---` between, so that there another kind may follow.
    pub(super) fn is_no_secret(&self) -> bool {
        match self.kind {
            ObjectKind::Other => self.is_flow(),
            ObjectKind::SecretList => true,
            ObjectKind::Secret | ObjectKind::Unknown => false,
        }
    }

    /// Notes a key that matters; whether it begins another object, in lines of the same column. Not
    /// where this one's kind is still to come: then it may be for all of it.
    pub(super) fn begins_another(&mut self, key: KnownKey, is_string_data: bool) -> bool {
        let bit = match key {
            KnownKey::ApiVersion => 1,
            KnownKey::Data if is_string_data => 2,
            KnownKey::Data => 4,
            KnownKey::Kind | KnownKey::Other => 0,
        };
        let is_again = self.seen & bit != 0;
        self.seen |= bit;
        is_again
            && match self.kind {
                ObjectKind::Unknown => false,
                ObjectKind::Secret => key == KnownKey::ApiVersion,
                ObjectKind::Other | ObjectKind::SecretList => true,
            }
    }

    /// What becomes of a value of its data that begins at `now`.
    pub(super) fn fate(&mut self, now: u64, held: &HeldText) -> Option<Fate> {
        match self.kind {
            ObjectKind::Other if self.is_flow() || self.overdue => None,
            ObjectKind::SecretList => None,
            ObjectKind::Secret => Some(Fate::Out),
            ObjectKind::Unknown if self.in_secret_list || self.overdue => Some(Fate::Out),
            ObjectKind::Other | ObjectKind::Unknown => {
                let has_none = self.kind == ObjectKind::Unknown;
                let (since, _) = *self
                    .since
                    .get_or_insert_with(|| (held.since(now), has_none));
                match (held.is_overdue(since, now), has_none) {
                    (false, _) => Some(Fate::Open),
                    (true, true) => Some(Fate::Out),
                    (true, false) => None,
                }
            }
        }
    }

    /// Its kind is read.
    pub(super) fn is_a(&mut self, kind: ObjectKind, now: u64, held: &mut HeldText) {
        if self.kind == ObjectKind::Secret || kind == ObjectKind::Unknown {
            return; // once a Secret, always one, whatever is written twice
        }
        self.kind = kind;
        self.settle(
            if kind == ObjectKind::Secret {
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
    pub(super) fn settle(&mut self, fate: Fate, now: u64, held: &mut HeldText) {
        if let Some((since, had_none)) = self.since.take() {
            let fate = match (held.is_overdue(since, now), had_none) {
                (false, _) => fate,
                (true, true) => Fate::Out,
                (true, false) => Fate::Kept, // it had a kind, and no other has come
            };
            held.settle(self.object, since, fate);
        }
    }

    /// Its kind is not waited for any longer when it is late.
    pub(super) fn give_up(&mut self, now: u64, held: &mut HeldText) {
        if self
            .since
            .is_some_and(|(since, _)| held.is_overdue(since, now))
        {
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
    pub(super) fn close(&mut self, end: u64, next: u64, held: &mut HeldText) {
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
