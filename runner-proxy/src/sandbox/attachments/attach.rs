//! Attaching one sandbox: what is asked of the coordinator first, then what is made here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::{ErrorClass, ProfileName, SandboxId, TokenRequest};

use super::super::directory::TokenFileName;
use super::super::environment::Environment;
use super::super::roster::ProfileChoice;
use super::{AttachError, Attached, Attachments, wanted};
use crate::coordinator::PlacedSandbox;
use crate::token::{Held, TokenState};

/// How long an attach waits for a coordinator that is just being reached: short for a person, long for a
/// network.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for news of a sandbox that the coordinator mints for: it is on its way.
const PATIENCE_FOR_NEWS: Duration = Duration::from_secs(5);

/// What whoever attaches a known sandbox is told then.
const AWAY: &str = "the coordinator cannot be reached: token files appear when it is back";

impl Attachments {
    /// Attaches a sandbox, or changes the choice of profiles of an attached one. No names: all.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        sandbox: &SandboxId,
        names: Vec<ProfileName>,
    ) -> Result<Attached, AttachError> {
        let profiles =
            if names.is_empty() { ProfileChoice::All(()) } else { ProfileChoice::Named(names) };
        let (attachments, sandbox) = (Arc::clone(self), sandbox.clone());
        self.unbroken(async move { attachments.ask_and_install(&sandbox, profiles).await }).await
    }

    async fn ask_and_install(
        &self,
        sandbox: &SandboxId,
        profiles: ProfileChoice,
    ) -> Result<Attached, AttachError> {
        let reachable = self.workshop.link.wait_until_connected(PATIENCE).await;
        let known = self.workshop.placement.now().sandboxes.get(sandbox).cloned();
        let (mut held, mut warnings) = (Vec::new(), Vec::new());
        if known.is_none() {
            // Refuses at once what is not placed here, before news of it is waited for.
            let default = wanted::files(sandbox, None, &profiles);
            self.fetch(sandbox, &default, None, &mut held, &mut warnings).await?;
        }
        let patience = if reachable { PATIENCE_FOR_NEWS } else { Duration::ZERO };
        let placed = self.workshop.placement.wait_for(sandbox, patience).await;
        let placed = placed.ok_or_else(|| AttachError::Unsettled(sandbox.clone()))?;
        wanted::check(&placed, &profiles)?;
        let wanted = wanted::files(sandbox, Some(&placed), &profiles);
        self.fetch(sandbox, &wanted, Some(&placed), &mut held, &mut warnings).await?;
        let (directory, environment) = self.install(sandbox, profiles, &placed, &held).await?;
        tracing::info!(sandbox.id = %sandbox, "a sandbox is attached");
        Ok(Attached { directory, environment, warnings })
    }

    async fn install(
        &self,
        sandbox: &SandboxId,
        profiles: ProfileChoice,
        placed: &PlacedSandbox,
        held: &[(TokenRequest, Held)],
    ) -> Result<(PathBuf, Environment), AttachError> {
        let mut state = self.state.lock().await;
        // It may have left, or come back as another, while the tokens were fetched; what else changed
        // meanwhile was told when nothing was attached.
        let now = self.workshop.placement.now().sandboxes.get(sandbox).cloned();
        let now = now.ok_or_else(|| AttachError::NotPlaced(sandbox.clone()))?;
        if now.occupant.is_another_than(&placed.occupant) {
            return Err(AttachError::Unsettled(sandbox.clone()));
        }
        let entry = state.roster.entries.get(sandbox);
        let replaced = entry.is_some_and(|entry| entry.is_replaced_by(&now.occupant));
        if replaced || state.is_left_over(sandbox) {
            state.take_away(&self.workshop, sandbox).await?;
        }
        let is_new = !state.roster.entries.contains_key(sandbox);
        let entry = state.enter(sandbox, profiles, &now.occupant).await?;
        let installed = state.install(&self.workshop, sandbox, &entry, &now, held);
        if is_new && installed.is_err() {
            state.take_away(&self.workshop, sandbox).await.ok();
        }
        installed
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
        let states = self.workshop.source.states(sandbox);
        let current = |request: &TokenRequest| {
            let is_current = |state| matches!(state, TokenState::Current { .. });
            states.iter().any(|(known, state)| known == request && is_current(*state))
        };
        let fetched = |request: &TokenRequest| held.iter().any(|(known, _)| known == request);
        let missing: Vec<_> =
            wanted.iter().filter(|(_, request)| !current(request) && !fetched(request)).collect();
        let requests = missing.iter().map(|(_, request)| request.clone()).collect();
        let results = self.workshop.source.fetch_now(requests).await;
        for ((name, request), result) in missing.into_iter().zip(results) {
            let warning = match result {
                Ok(fetched) => {
                    held.push((request.clone(), fetched));
                    continue;
                }
                Err(error) => match error.class {
                    ErrorClass::NotFound => return Err(AttachError::NotPlaced(sandbox.clone())),
                    ErrorClass::Unavailable | ErrorClass::Unauthenticated if placed.is_none() => {
                        return Err(AttachError::CoordinatorAway(sandbox.clone()));
                    }
                    ErrorClass::Unavailable | ErrorClass::Unauthenticated => AWAY.to_owned(),
                    _ => format!("no token for the file {name}: {error}"),
                },
            };
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(())
    }
}
