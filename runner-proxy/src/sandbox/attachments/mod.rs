//! Attaching sandboxes, keeping them as the coordinator says, and detaching them for good.
//!
//! What is asked of the coordinator is asked first, so that a refused attach has made nothing; without
//! its app a sandbox is not attached, since it could not be told from the next one of its id. Then the
//! roster is written, then the directory, socket and files are made; a failure takes all of it
//! back. Detaching goes the other way: the roster first, so that no restart brings a secret back. A
//! sandbox that leaves placement is detached at once. Shutting down detaches nobody.
//!
//! A change runs in a task of its own, so that a caller who hangs up cannot leave half of it behind, and
//! what a failing disk leaves of one is still known: detaching again goes on with it.

mod attach;
mod error;
mod follow;
mod present;
mod socket;
mod state;
mod wanted;
mod workshop;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use moneyer_identity::SandboxId;
use tokio::sync::{Mutex, oneshot};

use super::directory::TokenFileName;
use super::environment::Environment;
use super::roster::Roster;
use crate::token::TokenState;
pub(crate) use error::AttachError;
use present::Present;
pub(crate) use socket::SandboxSocket;
use state::State;
pub(crate) use workshop::{ForwardDoor, Workshop};

/// What whoever attached a sandbox is told.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) directory: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) warnings: Vec<String>,
}

/// One attached sandbox, for a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) sandbox: SandboxId,
    pub(crate) app: String,
    pub(crate) directory: PathBuf,
    pub(crate) files: Vec<(TokenFileName, TokenState)>,
}

/// The attached sandboxes.
pub(crate) struct Attachments {
    workshop: Workshop,
    state: Mutex<State>,
}

impl Attachments {
    /// Brings back what the roster holds. A sandbox that cannot be brought back is left out and
    /// logged; the others must not suffer for it. Nor is one whose id stands for another since: it is taken
    /// away with the coordinator's first word. Directories of others are removed.
    pub(crate) fn restore(workshop: Workshop, roster: Roster) -> Self {
        present::sweep(&workshop.directory, &roster);
        let mut present = BTreeMap::new();
        for (sandbox, entry) in &roster.entries {
            let placed = workshop.placement.now().sandboxes.get(sandbox).cloned();
            if placed.as_ref().is_some_and(|placed| entry.is_replaced_by(&placed.occupant)) {
                tracing::warn!(sandbox.id = %sandbox, "the id of an attached sandbox is another's");
                continue;
            }
            match Present::make(&workshop, sandbox, entry, placed.as_ref(), &[]) {
                Ok(made) => {
                    present.insert(sandbox.clone(), made);
                }
                Err(error) => tracing::error!(
                    sandbox.id = %sandbox, error.cause = crate::chain(&error),
                    "an attached sandbox could not be brought back; attach it again"
                ),
            }
        }
        Self { workshop, state: Mutex::new(State::new(roster, present)) }
    }

    /// Takes everything away from a sandbox, for good; whether there was anything.
    pub(crate) async fn detach(self: &Arc<Self>, sandbox: &SandboxId) -> Result<bool, AttachError> {
        let (attachments, sandbox) = (Arc::clone(self), sandbox.clone());
        self.unbroken(async move {
            let mut state = attachments.state.lock().await;
            state.take_away(&attachments.workshop, &sandbox).await
        })
        .await
    }

    /// Carries out a change in a task of its own.
    async fn unbroken<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, AttachError>> + Send + 'static,
    ) -> Result<T, AttachError> {
        let (done, outcome) = oneshot::channel();
        self.workshop.shutdown.spawn("a change of what is attached", async move {
            // Whoever asked may have gone.
            done.send(change.await).ok();
        });
        outcome.await.map_err(|_panicked| AttachError::Interrupted)?
    }

    /// The attached sandboxes, by id.
    pub(crate) async fn list(&self) -> Vec<Listed> {
        let state = self.state.lock().await;
        let placement = self.workshop.placement.now();
        let listed = state.present.iter().map(|(sandbox, present)| Listed {
            sandbox: sandbox.clone(),
            app: placement
                .sandboxes
                .get(sandbox)
                .map(|p| p.occupant.app.clone())
                .unwrap_or_default(),
            directory: present.directory().to_owned(),
            files: present.states(&self.workshop.source.states(sandbox)),
        });
        listed.collect()
    }

    /// How many there are.
    pub(crate) async fn count(&self) -> usize {
        self.state.lock().await.present.len()
    }

    /// Closes the sandboxes' sockets. Their files stay until they expire or the next start.
    pub(crate) async fn close(&self) {
        self.state.lock().await.present.values().for_each(Present::close);
    }
}
