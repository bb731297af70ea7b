//! Attaching sandboxes, keeping them as the coordinator says, and detaching them for good.
//!
//! What is asked of the coordinator is asked first, so that a refused attach has made nothing. Then
//! the roster is written, then the directory, socket and files are made; a failure takes all of it
//! back. Detaching goes the other way: the roster first, so that no restart brings a secret back. A
//! sandbox that leaves placement is detached at once. Shutting down detaches nobody.

mod error;
mod present;
mod wanted;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::Limits;
use moneyer_identity::{ErrorClass, ProfileName, SandboxId, TokenRequest};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::TokenFileName;
use super::environment::Environment;
use super::roster::{ProfileChoice, Roster, RosterEntry};
use super::secret::SandboxSecret;
use crate::coordinator::{KnownPlacement, Link, PlacedSandbox, PlacementChange};
use crate::token::server::TokenServer;
use crate::token::{BatchIssuer, Held, MAXIMUM_BATCH, TokenFiles, TokenState};
pub(crate) use error::AttachError;
use present::Present;

/// How long an attach waits for a coordinator that is just being reached, and for news of a sandbox
/// that was placed a moment ago: short for a person, long for a network.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time over which a host replaces its tokens when the coordinator asks for it: at once to whoever
/// waits, and long enough that a hundred hosts do not sign in one instant.
const REISSUE_SPREAD: Duration = Duration::from_secs(2);

/// What attachments are made with.
pub(crate) struct Workshop {
    /// The parent of the sandboxes' directories.
    pub(crate) directory: PathBuf,
    /// Where a sandbox sees its directory; `None` where the host has it.
    pub(crate) mount: Option<PathBuf>,
    /// What `MONEYER_TOKEN_URL` begins with.
    pub(crate) token_server_url: String,
    /// Renewals are spread over as long.
    pub(crate) jitter: Duration,
    /// Of each sandbox's socket.
    pub(crate) limits: Limits,
    pub(crate) issuer: Arc<dyn BatchIssuer>,
    pub(crate) link: Arc<Link>,
    pub(crate) placement: Arc<KnownPlacement>,
    pub(crate) files: Arc<TokenFiles>,
    pub(crate) server: TokenServer,
    pub(crate) shutdown: Shutdown,
}

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

struct State {
    roster: Roster,
    present: BTreeMap<SandboxId, Present>,
}

impl Attachments {
    /// Brings back what the roster holds. A sandbox that cannot be brought back is left out and
    /// logged; the others must not suffer for it. Directories of others are removed.
    pub(crate) fn restore(workshop: Workshop, roster: Roster) -> Self {
        present::sweep(&workshop.directory, &roster);
        let mut present = BTreeMap::new();
        for (sandbox, entry) in &roster.entries {
            let placed = workshop.placement.now().sandboxes.get(sandbox).cloned();
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
        Self { workshop, state: Mutex::new(State { roster, present }) }
    }

    /// Attaches a sandbox, or changes the choice of profiles of an attached one. No names: all.
    pub(crate) async fn attach(
        &self,
        sandbox: &SandboxId,
        names: Vec<ProfileName>,
    ) -> Result<Attached, AttachError> {
        let profiles =
            if names.is_empty() { ProfileChoice::All(()) } else { ProfileChoice::Named(names) };
        let reachable = self.workshop.link.wait_until_connected(PATIENCE).await;
        let known = self.workshop.placement.now().sandboxes.get(sandbox).cloned();
        let (mut held, mut warnings) = (Vec::new(), Vec::new());
        if known.is_none() {
            // Refuses at once what is not placed here, before news of it is waited for.
            let default = wanted::files(sandbox, None, &profiles);
            self.fetch(sandbox, &default, None, &mut held, &mut warnings).await?;
        }
        let patience = if reachable { PATIENCE } else { Duration::ZERO };
        let placed = self.workshop.placement.wait_for(sandbox, patience).await;
        let wanted = wanted::files(sandbox, placed.as_ref(), &profiles);
        self.fetch(sandbox, &wanted, placed.as_ref(), &mut held, &mut warnings).await?;
        wanted::check(placed.as_ref(), &profiles)?;

        let mut state = self.state.lock().await;
        // It may have left while the tokens were fetched.
        if placed.is_some() && !self.workshop.placement.now().sandboxes.contains_key(sandbox) {
            return Err(AttachError::NotPlaced(sandbox.clone()));
        }
        let app = placed.as_ref().map(|placed| placed.app.clone());
        let replaced =
            |entry: &RosterEntry| app.as_ref().is_some_and(|app| entry.is_replaced_by(app));
        if state.roster.entries.get(sandbox).is_some_and(replaced) {
            self.take_away(&mut state, sandbox).await?;
        }
        let before = state.roster.entries.get(sandbox).cloned();
        let secret = match &before {
            Some(entry) => entry.secret.clone(),
            None => SandboxSecret::random().map_err(AttachError::Secret)?,
        };
        let app = app.or_else(|| before.as_ref().and_then(|before| before.app.clone()));
        let entry = RosterEntry { secret, profiles, app };
        let same =
            |before: &RosterEntry| before.profiles == entry.profiles && before.app == entry.app;
        let unchanged = before.as_ref().is_some_and(same);
        state.roster.entries.insert(sandbox.clone(), entry.clone());
        if !unchanged && let Err(error) = state.roster.write().await {
            state.roster.put_back(sandbox, before);
            return Err(AttachError::Roster(error));
        }
        match state.install(&self.workshop, sandbox, &entry, placed.as_ref(), &held) {
            Ok((directory, environment)) => {
                tracing::info!(sandbox.id = %sandbox, "a sandbox is attached");
                Ok(Attached { directory, environment, warnings })
            }
            Err(error) => {
                if before.is_none() {
                    self.take_away(&mut state, sandbox).await.ok();
                }
                Err(error)
            }
        }
    }

    /// Adds the tokens its files will show to `held`, as far as they can be had now. What was
    /// fetched before is not fetched again.
    async fn fetch(
        &self,
        sandbox: &SandboxId,
        wanted: &[(TokenFileName, TokenRequest)],
        placed: Option<&PlacedSandbox>,
        held: &mut Vec<(TokenRequest, Held)>,
        warnings: &mut Vec<String>,
    ) -> Result<(), AttachError> {
        let states = self.workshop.server.source.states(sandbox);
        let current = |request: &TokenRequest| {
            let is_current = |state| matches!(state, TokenState::Current { .. });
            states.iter().any(|(known, state)| known == request && is_current(*state))
        };
        let fetched = |request: &TokenRequest| held.iter().any(|(known, _)| known == request);
        let missing: Vec<_> =
            wanted.iter().filter(|(_, request)| !current(request) && !fetched(request)).collect();
        for batch in missing.chunks(MAXIMUM_BATCH) {
            let requests = batch.iter().map(|(_, request)| request.clone()).collect();
            let asked_at = Instant::now();
            let results = match self.workshop.issuer.issue_tokens(requests).await {
                Ok(results) => results,
                Err(_away) if placed.is_some() => {
                    warnings.push(
                        "the coordinator cannot be reached: token files appear when it is back"
                            .to_owned(),
                    );
                    return Ok(());
                }
                Err(_away) => return Err(AttachError::CoordinatorAway(sandbox.clone())),
            };
            for ((name, request), result) in batch.iter().zip(results) {
                match result {
                    Ok(minted) => held.push((request.clone(), Held::new(minted, asked_at))),
                    Err(error) if error.class == ErrorClass::NotFound => {
                        return Err(AttachError::NotPlaced(sandbox.clone()));
                    }
                    Err(error) => {
                        let warning = format!("no token for the file {name}: {error}");
                        if !warnings.contains(&warning) {
                            warnings.push(warning);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes everything away from a sandbox, for good; whether there was anything.
    pub(crate) async fn detach(&self, sandbox: &SandboxId) -> Result<bool, AttachError> {
        let mut state = self.state.lock().await;
        self.take_away(&mut state, sandbox).await
    }

    async fn take_away(&self, state: &mut State, sandbox: &SandboxId) -> Result<bool, AttachError> {
        let present = state.present.remove(sandbox);
        let listed = state.roster.entries.remove(sandbox).is_some();
        // At once, whatever the disk does.
        self.workshop.server.credentials.remove(sandbox);
        self.workshop.server.source.retire(sandbox);
        self.workshop.files.forget(sandbox);
        let written = if listed { state.roster.write().await } else { Ok(()) };
        let was_attached = listed || present.is_some();
        let removed = present.map_or(Ok(()), Present::unmake);
        if was_attached {
            tracing::info!(sandbox.id = %sandbox, "a sandbox is detached");
        }
        written.map_err(AttachError::Roster)?;
        removed.map_err(AttachError::Directory)?;
        Ok(was_attached)
    }

    /// The attached sandboxes, by id.
    pub(crate) async fn list(&self) -> Vec<Listed> {
        let state = self.state.lock().await;
        let placement = self.workshop.placement.now();
        let listed = state.present.iter().map(|(sandbox, present)| Listed {
            sandbox: sandbox.clone(),
            app: placement.sandboxes.get(sandbox).map(|p| p.app.clone()).unwrap_or_default(),
            directory: present.directory().to_owned(),
            files: present.states(&self.workshop.server.source.states(sandbox)),
        });
        listed.collect()
    }

    /// How many there are.
    pub(crate) async fn count(&self) -> usize {
        self.state.lock().await.present.len()
    }

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
                    self.refresh(&sandbox, &placed).await;
                }
                Some(PlacementChange::All(all)) => {
                    let attached: Vec<_> =
                        self.state.lock().await.roster.entries.keys().cloned().collect();
                    for sandbox in attached {
                        match all.get(&sandbox) {
                            None => self.remove(&sandbox).await,
                            Some(placed) => self.refresh(&sandbox, placed).await,
                        }
                    }
                }
                Some(PlacementChange::Reissue) => self.reissue().await,
                None => return,
            }
        }
    }

    /// Rewrites every environment, since the issuer may be another, and replaces every token.
    async fn reissue(&self) {
        let mut state = self.state.lock().await;
        let attached: Vec<_> = state.roster.entries.keys().cloned().collect();
        for sandbox in attached {
            let placed = self.workshop.placement.now().sandboxes.get(&sandbox).cloned();
            if let Some(placed) = placed {
                state.refresh(&self.workshop, &sandbox, &placed);
            }
        }
        self.workshop.server.source.supersede(REISSUE_SPREAD);
    }

    /// Brings a sandbox in line with what the coordinator says of it; takes everything away from one
    /// whose id is another app's now.
    async fn refresh(&self, sandbox: &SandboxId, placed: &PlacedSandbox) {
        let mut state = self.state.lock().await;
        let entry = state.roster.entries.get(sandbox);
        if entry.is_some_and(|entry| entry.is_replaced_by(&placed.app)) {
            drop(state);
            self.remove(sandbox).await;
        } else {
            state.refresh(&self.workshop, sandbox, placed);
        }
    }

    async fn remove(&self, sandbox: &SandboxId) {
        if let Err(error) = self.detach(sandbox).await {
            tracing::error!(
                sandbox.id = %sandbox, error.cause = crate::chain(&error),
                "a sandbox that left this runner could not be detached completely"
            );
        }
    }

    /// Closes the sandboxes' sockets. Their files stay until they expire or the next start.
    pub(crate) async fn close(&self) {
        self.state.lock().await.present.values().for_each(Present::close);
    }
}

impl State {
    fn install(
        &mut self,
        workshop: &Workshop,
        sandbox: &SandboxId,
        entry: &RosterEntry,
        placed: Option<&PlacedSandbox>,
        held: &[(TokenRequest, Held)],
    ) -> Result<(PathBuf, Environment), AttachError> {
        if let Some(present) = self.present.get_mut(sandbox) {
            present.update(workshop, sandbox, entry, placed, held)?;
        } else {
            let made = Present::make(workshop, sandbox, entry, placed, held)?;
            self.present.insert(sandbox.clone(), made);
        }
        match self.present.get(sandbox) {
            Some(present) => Ok((present.directory().to_owned(), present.environment().clone())),
            None => Err(AttachError::NotPlaced(sandbox.clone())),
        }
    }

    /// Brings an attached sandbox in line with what the coordinator says of it.
    fn refresh(&mut self, workshop: &Workshop, sandbox: &SandboxId, placed: &PlacedSandbox) {
        let Some(entry) = self.roster.entries.get(sandbox).cloned() else { return };
        let Some(present) = self.present.get_mut(sandbox) else { return };
        if let Err(error) = present.update(workshop, sandbox, &entry, Some(placed), &[]) {
            tracing::error!(
                sandbox.id = %sandbox, error.cause = crate::chain(&error),
                "a sandbox's files could not be brought in line with its profiles"
            );
        }
    }
}
