//! Keeping what is attached as the coordinator says.
//!
//! A sandbox that leaves placement, or whose id stands for another now, loses everything at once; one that may
//! do something else now gets other files.

use std::time::Duration;

use moneyer_identity::SandboxId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Attachments;
use crate::coordinator::{PlacedSandbox, PlacementChange};

/// Time over which a host replaces its tokens when the coordinator asks for it: at once to whoever
/// waits, and long enough that a hundred hosts do not sign in one instant.
const REISSUE_SPREAD: Duration = Duration::from_secs(2);

impl Attachments {
    /// Does what the coordinator's changes ask for, until `stop`.
    pub(crate) async fn follow(
        &self,
        mut changes: mpsc::Receiver<PlacementChange>,
        stop: CancellationToken,
    ) {
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => change,
            };
            match change {
                Some(PlacementChange::Removed(sandbox)) => self.remove(&sandbox).await,
                Some(PlacementChange::Placed(sandbox, placed)) => {
                    self.state.lock().await.learn([(&sandbox, &placed)].into_iter()).await;
                    self.refresh(&sandbox).await;
                }
                Some(PlacementChange::All(all)) => {
                    let attached: Vec<_> = {
                        let mut state = self.state.lock().await;
                        state.learn(all.iter()).await;
                        state.roster.entries.keys().cloned().collect()
                    };
                    for sandbox in attached {
                        match all.get(&sandbox) {
                            None => self.remove(&sandbox).await,
                            Some(_placed) => self.refresh(&sandbox).await,
                        }
                    }
                }
                Some(PlacementChange::Reissue) => self.reissue().await,
                None => return,
            }
        }
    }

    /// Rewrites every environment, since the issuer may be another, and replaces every token and JWT-SVID. Of
    /// X.509-SVIDs it says nothing: the trust bundle says whose authority is gone.
    async fn reissue(&self) {
        let mut state = self.state.lock().await;
        let attached: Vec<_> = state.roster.entries.keys().cloned().collect();
        for sandbox in attached {
            if let Some(placed) = self.placed(&sandbox) {
                state.refresh(&self.workshop, &sandbox, &placed);
            }
        }
        self.workshop.source.supersede(REISSUE_SPREAD);
    }

    /// Brings a sandbox in line with what the coordinator says of it; takes everything away from one
    /// whose id stands for another now. What was said last counts: the next of its id may be attached already.
    async fn refresh(&self, sandbox: &SandboxId) {
        let mut state = self.state.lock().await;
        let Some(placed) = self.placed(sandbox) else { return };
        let entry = state.roster.entries.get(sandbox);
        if entry.is_some_and(|entry| entry.is_replaced_by(&placed.occupant)) {
            state.take_away_or_say(&self.workshop, sandbox).await;
        } else {
            state.refresh(&self.workshop, sandbox, &placed);
        }
    }

    /// Takes everything away from a sandbox that left, unless that was the one before it of its id.
    async fn remove(&self, sandbox: &SandboxId) {
        let mut state = self.state.lock().await;
        let entry = state.roster.entries.get(sandbox);
        let is_next = |placed: PlacedSandbox| {
            entry.is_some_and(|entry| entry.occupant.is_the_stay_of(&placed.occupant))
        };
        if !self.placed(sandbox).is_some_and(is_next) {
            state.take_away_or_say(&self.workshop, sandbox).await;
        }
    }

    fn placed(&self, sandbox: &SandboxId) -> Option<PlacedSandbox> {
        self.workshop.placement.now().sandboxes.get(sandbox).cloned()
    }
}
