//! Values by name in the memory of this process: [`Local`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Values by name, each of which is there until it is removed.
#[derive(Debug)]
pub(super) struct Local<T>(Mutex<HashMap<String, T>>);

impl<T> Local<T> {
    /// Locks the values. A panic elsewhere leaves them whole: nothing here changes two at once.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Local<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
