//! The clients of the initialize era that are told when their tools and prompts change: [`Clients`].
//!
//! Those of the 2026 era listen for it, or ask again once `ttlMs` is over.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{Peer, RoleServer};
use tokio::time::timeout;

use crate::gate::Gate;

/// A client that takes no notification for this long is not told.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// Those that have said that they are ready. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<Vec<Peer<RoleServer>>>>);

impl Clients {
    /// Begins to tell clients when the gate's policy changes, until the gate is gone.
    pub(super) fn told_of_changes(gate: &Gate) -> Self {
        let clients = Self::default();
        let (told, mut changes) = (clients.clone(), gate.changes());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let peers = mem::take(&mut *told.lock());
                for peer in peers.into_iter().filter(|peer| !peer.is_transport_closed()) {
                    let client = told.clone();
                    tokio::spawn(async move {
                        let told = async {
                            peer.notify_tool_list_changed().await?;
                            peer.notify_prompt_list_changed().await
                        };
                        if matches!(timeout(TAKEN_WITHIN, told).await, Ok(Ok(()))) {
                            client.add(peer);
                        }
                    });
                }
            }
        });
        clients
    }

    /// Adds a client; those that have left go.
    pub(super) fn add(&self, client: Peer<RoleServer>) {
        let mut clients = self.lock();
        clients.retain(|client| !client.is_transport_closed());
        clients.push(client);
    }

    /// Nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, Vec<Peer<RoleServer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
