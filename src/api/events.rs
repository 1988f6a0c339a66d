//! [`EventLines`]: the events of a watch, one line each, however the stream is cut on its way.

/// The events of one watch.
#[derive(Debug, Default)]
pub struct EventLines {
    /// What has come of a line that has not ended.
    held: Vec<u8>,
}

/// Why events of a watch are not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A line is longer than any event that is read here.
    #[error("an event is too long")]
    TooLong,
    /// A line is no JSON.
    #[error("an event is no JSON")]
    Unread,
}

/// One event that is read here: an object has at most 1.5 MiB, and kubectl's annotation holds it again.
const LONGEST_EVENT: usize = 4 << 20;

impl EventLines {
    /// Takes what has come, and gives each line that has ended to `event`.
    ///
    /// # Errors
    /// [`EventError`], of `event` or for a line that is too long; what stands before it is given.
    pub fn each(
        &mut self,
        came: &[u8],
        mut event: impl FnMut(&[u8]) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        let mut lines = came.split_inclusive(|byte| *byte == b'\n');
        lines.try_for_each(|part| {
            let ended = part.strip_suffix(b"\n");
            self.held.extend(ended.unwrap_or(part));
            if self.held.len() > LONGEST_EVENT {
                return Err(EventError::TooLong);
            }
            match ended {
                Some(_) => self.end(&mut event),
                None => Ok(()),
            }
        })
    }

    /// Gives what is left at the end of the stream to `event`: a server need not end its last line.
    ///
    /// # Errors
    /// [`EventError`] of `event`.
    pub fn end(
        &mut self,
        mut event: impl FnMut(&[u8]) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        let line = std::mem::take(&mut self.held);
        match line.is_empty() {
            true => Ok(()),
            false => event(&line),
        }
    }
}
