//! Where a text may be cut, by what it is.

/// What a stream is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON: one document, or one after the other.
    Json,
    /// Lines.
    Lines,
    /// What its beginning says.
    Unknown,
    /// YAML, in block or flow style.
    Yaml,
}

impl Form {
    /// Returns what a stream is that begins so.
    pub(super) fn beginning(self, first: &[u8]) -> Self {
        let begins_with = |text: &[u8]| first.starts_with(text);
        match self {
            Self::Unknown if begins_with(b"{") || begins_with(b"[") => Self::Json,
            Self::Unknown if begins_with(b"---\n") || begins_with(b"apiVersion: ") => Self::Yaml,
            Self::Unknown => Self::Lines,
            Self::Json | Self::Lines | Self::Yaml => self,
        }
    }
}

/// Where a document may be cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CutPlace {
    /// Behind an item.
    At {
        /// The item's end.
        end: usize,
        /// What closes the list, and what stands behind it.
        close: Vec<u8>,
        /// The items before, and all of them.
        items: (u64, u64),
    },
    /// It has no items, or none that fits.
    Nowhere,
}

/// The ends of items that fit, and how many items there are.
#[derive(Default)]
pub(super) struct Ends {
    fitting: Vec<usize>,
    pub(super) all: u64,
}

impl Ends {
    /// Notes an item that ends here.
    pub(super) fn push(&mut self, end: u64, size: usize) {
        self.all += 1;
        if let Ok(end) = usize::try_from(end)
            && end <= size
        {
            self.fitting.push(end);
        }
    }

    /// Cuts behind the last item that fits together with what closes the list.
    pub(super) fn cut(&self, close: Vec<u8>, size: usize) -> CutPlace {
        let room = size.saturating_sub(close.len());
        let count = self.fitting.partition_point(|&end| end <= room);
        match count.checked_sub(1).and_then(|last| self.fitting.get(last)) {
            Some(&end) => CutPlace::At {
                end,
                close,
                items: (count as u64, self.all),
            },
            None => CutPlace::Nowhere,
        }
    }
}

/// What stands behind a list, as far as it may fit.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8], size: usize) {
        self.is_too_long |= self.bytes.len() + bytes.len() > size;
        if !self.is_too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Notes a piece that is not known whole.
    pub(super) fn is_lost(&mut self) {
        self.is_too_long = true;
    }

    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        (!self.is_too_long).then_some(self.bytes)
    }
}
