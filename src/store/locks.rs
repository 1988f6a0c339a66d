//! Principals that an operator has locked: [`Locks`]. What they send is refused until they are
//! unlocked, or the server starts again: who is to stay out is taken out of the settings.
//!
//! Held by `an_operator_sees_and_ends_any_call_and_locks_a_principal`
//! (`tests/operation/operator.rs`).

use std::time::SystemTime;

use super::{error::StoreError, local::Local};

/// A lock of one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalLock {
    /// Who may not call.
    pub principal: String,
    /// Since when.
    pub since: SystemTime,
    /// Why, in the operator's words. Callers are not told.
    pub reason: Option<String>,
}

/// The principals that may not call.
#[derive(Debug, Default)]
pub struct Locks(Local<PrincipalLock>);

impl Locks {
    /// Locks a principal; a second lock of it replaces the reason of the first.
    pub fn lock(&self, principal: &str, reason: Option<&str>) {
        let mut locks = self.0.lock();
        let lock = locks
            .entry(principal.to_owned())
            .or_insert_with(|| PrincipalLock {
                principal: principal.to_owned(),
                since: SystemTime::now(),
                reason: None,
            });
        lock.reason = reason.map(str::to_owned);
    }

    /// Unlocks a principal; whether it was locked.
    pub fn unlock(&self, principal: &str) -> bool {
        self.0.lock().remove(principal).is_some()
    }

    /// Lets a principal pass that is not locked.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when it is.
    pub fn pass(&self, principal: &str) -> Result<(), StoreError> {
        match self.0.lock().contains_key(principal) {
            true => Err(StoreError::Locked),
            false => Ok(()),
        }
    }

    /// Lists the locks, by principal.
    pub fn list(&self) -> Vec<PrincipalLock> {
        let mut listed: Vec<PrincipalLock> = self.0.lock().values().cloned().collect();
        listed.sort_by(|one, other| one.principal.cmp(&other.principal));
        listed
    }
}
