//! Principals that an operator has locked: [`Locks`]. What they send is refused until they are
//! unlocked, or the server starts again: who is to stay out is taken out of the settings.
//!
//! Held by `an_operator_sees_and_ends_any_call_and_locks_a_principal`
//! (`tests/operation/operator.rs`).

use std::time::SystemTime;

use tokio::sync::Notify;

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
pub struct Locks {
    locked: Local<PrincipalLock>,
    /// Told when there is another.
    changed: Notify,
}

impl Locks {
    /// Locks a principal; a second lock of it replaces the reason of the first.
    pub fn lock(&self, principal: &str, reason: Option<&str>) {
        let mut locks = self.locked.lock();
        let lock = locks
            .entry(principal.to_owned())
            .or_insert_with(|| PrincipalLock {
                principal: principal.to_owned(),
                since: SystemTime::now(),
                reason: None,
            });
        lock.reason = reason.map(str::to_owned);
        drop(locks);
        self.changed.notify_waiters();
    }

    /// Waits until a principal is locked.
    pub async fn locked(&self, principal: &str) {
        loop {
            // Before the look, so that a lock in between is not missed.
            let changed = self.changed.notified();
            if self.pass(principal).is_err() {
                return;
            }
            changed.await;
        }
    }

    /// Unlocks a principal; whether it was locked.
    pub fn unlock(&self, principal: &str) -> bool {
        self.locked.lock().remove(principal).is_some()
    }

    /// Lets a principal pass that is not locked.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when it is.
    pub fn pass(&self, principal: &str) -> Result<(), StoreError> {
        match self.locked.lock().contains_key(principal) {
            true => Err(StoreError::Locked),
            false => Ok(()),
        }
    }

    /// Lists the locks, by principal.
    pub fn list(&self) -> Vec<PrincipalLock> {
        let mut listed: Vec<PrincipalLock> = self.locked.lock().values().cloned().collect();
        listed.sort_by(|one, other| one.principal.cmp(&other.principal));
        listed
    }
}
