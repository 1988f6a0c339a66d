//! The beginning of a stream that may be in the middle of an object's data.
//!
//! A caller chooses where a log begins (`--tail`, `--since`). When its first line is indented, all
//! up to the first line that says what it was is held: with `kind: Secret`, further to the left, it
//! was a Secret's, and is taken out.

use super::{
    StringLevel,
    frame::ObjectKind,
    held::{Cut, Fate, HeldText},
};

/// No object that is read has this number.
const OBJECT: u64 = u64::MAX;

impl StringLevel {
    /// A line begins with this byte, in the column that is read.
    pub(super) fn cut_goes_on(&mut self, byte: u8, now: u64, held: &mut HeldText) {
        match &mut self.cut {
            Cut::No => {}
            Cut::Start if self.column > 0 => {
                let since = held.since(now);
                let id = held.open(now, OBJECT, Fate::Open, false, self.quoted);
                self.cut = Cut::Held {
                    id,
                    since,
                    column: self.column,
                    end: now,
                };
            }
            Cut::Start => self.cut = Cut::No,
            Cut::Held { end, .. } => {
                *end = self.content;
                let may_be_of_it =
                    byte.is_ascii_alphabetic() || matches!(byte, b'"' | b'\'' | b'}' | b']');
                if self.column == 0 && !may_be_of_it {
                    self.end_cut(Fate::Kept, now, held);
                }
            }
        }
    }

    /// A line says the kind of its object.
    pub(super) fn cut_is_a(&mut self, kind: ObjectKind, now: u64, held: &mut HeldText) {
        let Cut::Held { column, .. } = self.cut else {
            return;
        };
        if self.brackets > 0 || self.key_column >= column {
            return; // of something inside of it
        }
        match kind {
            ObjectKind::Secret => self.end_cut(Fate::Out, now, held),
            ObjectKind::Other | ObjectKind::SecretList => self.end_cut(Fate::Kept, now, held),
            ObjectKind::Unknown => {}
        }
    }

    /// It is decided, unless that comes too late.
    pub(super) fn end_cut(&mut self, fate: Fate, now: u64, held: &mut HeldText) {
        let Cut::Held { id, since, end, .. } = std::mem::replace(&mut self.cut, Cut::No) else {
            return;
        };
        let is_overdue = held.is_overdue(since, now);
        held.close(id, end, end);
        held.settle(OBJECT, since, if is_overdue { Fate::Kept } else { fate });
    }

    /// It is not waited for any longer when a kind is late.
    pub(super) fn give_cut_up(&mut self, now: u64, held: &mut HeldText) {
        if let Cut::Held { since, .. } = self.cut
            && held.is_overdue(since, now)
        {
            self.end_cut(Fate::Kept, now, held);
        }
    }
}
