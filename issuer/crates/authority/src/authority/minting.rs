//! Minting, for whoever was authenticated.
//!
//! The clock is read once a call. What permits a token is asked when it is drafted and once more when it is
//! signed: a change that was acknowledged meanwhile holds for it too.

use std::sync::Arc;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{MintedToken, SandboxId, SystemWorkloadName};

use super::open::Authority;
use crate::audit::{Actor, Holder};
use crate::enrollment::{AuthenticatedRunner, Places};
use crate::keys::KeyRing;
use crate::mint::{Ask, MintError, Request, TokenForm};
use crate::registry::{Permit, RegistryError, SystemPermit};

impl Authority {
    /// A token for a sandbox that is placed on this runner now.
    pub async fn mint(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        self.mint_placed(runner.actor(), sandbox, ask, || self.registry.permit(runner, sandbox))
            .await
    }

    /// A token for any sandbox, on behalf of whoever may place it.
    pub async fn mint_any(
        &self,
        by: &impl Places,
        sandbox: &SandboxId,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        self.mint_placed(by.actor(), sandbox, ask, || self.registry.permit_any(by, sandbox)).await
    }

    async fn mint_placed(
        &self,
        who: Actor,
        sandbox: &SandboxId,
        ask: Ask,
        permit: impl Fn() -> Result<Permit, RegistryError> + Send + Sync,
    ) -> Result<MintedToken, MintError> {
        let (by, holder) = (self.request(who), Holder::Sandbox(sandbox.clone()));
        let permitted = match self.permitted(&permit).await {
            Ok(permitted) => permitted,
            Err(error) => return Err(self.gate.refuse(&by, holder, MintError::Registry(error))),
        };
        let policy = self.minter.policy();
        let drafted = self
            .minting_ring(&by)
            .and_then(|ring| self.minter.draft(&ring, &policy, &permitted, ask.clone(), by.now));
        let still = || {
            let now = permit().map_err(MintError::Registry)?;
            self.minter.check_again((&permitted, &policy), &now, &ask)
        };
        self.gate.pass(by, holder, drafted, still).await
    }

    /// A JWT-SVID for a sandbox that is placed on this runner now, and its SPIFFE ID. `audiences` has one at
    /// least, or the default one is meant.
    pub async fn mint_jwt_svid(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: Ask,
    ) -> Result<(SpiffeId, MintedToken), MintError> {
        let permit = self.permitted(&|| self.registry.permit(runner, sandbox)).await;
        let id = match permit
            .map_err(MintError::Registry)
            .and_then(|permit| self.minter.svid_id(&permit))
        {
            Ok(id) => id,
            Err(error) => {
                let holder = Holder::Sandbox(sandbox.clone());
                return Err(self.gate.refuse(&self.request(runner.actor()), holder, error));
            }
        };
        let ask = Ask { form: TokenForm::JwtSvid(id.clone()), ..ask };
        Ok((id, self.mint(runner, sandbox, ask).await?))
    }

    /// Tokens for sandboxes that are placed on this runner now, in the order they are asked for. One
    /// refusal does not touch the others.
    pub async fn mint_all(
        &self,
        runner: &AuthenticatedRunner,
        asked: Vec<(SandboxId, Ask)>,
    ) -> Vec<Result<MintedToken, MintError>> {
        let by = self.request(runner.actor());
        let (ring, policy) = (self.minting_ring(&by).ok(), self.minter.policy());
        let mut drafted = Vec::with_capacity(asked.len());
        let mut permits = Vec::with_capacity(asked.len());
        let permit = |sandbox: &SandboxId| {
            self.registry.permit(runner, sandbox).map_err(MintError::Registry)
        };
        let is_unknown = |(sandbox, _): &(SandboxId, Ask)| permit(sandbox).is_err();
        if self.is_shared() && asked.iter().any(is_unknown) {
            self.latest().await;
        }
        for (sandbox, ask) in &asked {
            let (permitted, draft) = match permit(sandbox) {
                Ok(permitted) => {
                    let ring = ring.clone().map_or_else(|| self.minting_ring(&by), Ok);
                    let draft = ring.and_then(|ring| {
                        self.minter.draft(&ring, &policy, &permitted, ask.clone(), by.now)
                    });
                    (Some(permitted), draft)
                }
                Err(refused) => (None, Err(refused)),
            };
            drafted.push((Holder::Sandbox(sandbox.clone()), draft));
            permits.push(permitted);
        }
        let still = |at: usize| match (asked.get(at), permits.get(at)) {
            (Some((sandbox, ask)), Some(Some(then))) => {
                self.minter.check_again((then, &policy), &permit(sandbox)?, ask)
            }
            _ => Err(MintError::Registry(RegistryError::NoSuchSandbox)),
        };
        self.gate.pass_all(by, drafted, still).await
    }

    /// A token for a system workload that runs on this runner.
    pub async fn mint_system(
        &self,
        runner: &AuthenticatedRunner,
        workload: &SystemWorkloadName,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit_system(runner, workload);
        self.mint_permitted(runner.actor(), workload, ask, permit).await
    }

    /// A token for any system workload, on behalf of a controller or operator.
    pub async fn mint_system_any(
        &self,
        by: &impl Places,
        workload: &SystemWorkloadName,
        ask: Ask,
    ) -> Result<MintedToken, MintError> {
        let permit = || self.registry.permit_system_any(by, workload);
        self.mint_permitted(by.actor(), workload, ask, permit).await
    }

    async fn mint_permitted(
        &self,
        who: Actor,
        workload: &SystemWorkloadName,
        ask: Ask,
        permit: impl Fn() -> Result<SystemPermit, RegistryError> + Send + Sync,
    ) -> Result<MintedToken, MintError> {
        let (by, holder) = (self.request(who), Holder::System(workload.clone()));
        let policy = self.minter.policy();
        let drafted = permit().map_err(MintError::Registry).and_then(|permit| {
            let ring = self.minting_ring(&by)?;
            self.minter.draft_system(&ring, &policy, &permit, ask.clone(), by.now)
        });
        let still = || {
            permit().map_err(MintError::Registry)?;
            self.minter.check_system_again(&policy, &ask)
        };
        self.gate.pass(by, holder, drafted, still).await
    }

    /// What is permitted. What is not known here another coordinator may have been told a moment ago.
    pub(super) async fn permitted<P>(
        &self,
        permit: &(impl Fn() -> Result<P, RegistryError> + Send + Sync),
    ) -> Result<P, RegistryError> {
        match permit() {
            Err(RegistryError::NoSuchSandbox) if self.is_shared() => {
                self.latest().await;
                permit()
            }
            decided => decided,
        }
    }

    /// The keys that sign, while the clock and the store can be trusted.
    pub(super) fn minting_ring(&self, by: &Request) -> Result<Arc<KeyRing>, MintError> {
        let now = by.sound.map_err(MintError::Clock)?;
        self.ledger.check().map_err(MintError::RolledBack)?;
        self.minter.ring(now)
    }

    pub(super) fn request(&self, who: Actor) -> Request {
        // Read once: a clock that is set right between two readings would sign the wrong one.
        let sound = self.sound_time();
        let now = sound.unwrap_or_else(|_unsound| self.now());
        Request { who, now, sound }
    }
}
