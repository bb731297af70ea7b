//! Following what other coordinators change in a store they share.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use moneyer_identity::{ErrorClass, KeyId, error_chain};

use super::open::Authority;
use crate::following::{At, Confirmations, FollowError, Next, Rounds, Standing, Unreadable};
use crate::login::PoliciesError;
use crate::shared_store::{Changed, Replica, SharedStore, Turn};
use crate::store::{Collection, Generation, Receipt, StoreError, Testimony};

/// Where an authority has come to in following the others.
#[derive(Debug)]
pub(super) struct Following {
    rounds: Rounds,
    confirmations: Mutex<Confirmations>,
    unreadable: Mutex<Unreadable>,
}

impl Following {
    /// From what was loaded.
    pub(super) fn from(through: Generation) -> Self {
        Self {
            rounds: Rounds::from(through),
            confirmations: Mutex::default(),
            unreadable: Mutex::default(),
        }
    }
}

/// The turn to keep the keys: of those who share the store one has it.
#[derive(Debug)]
pub(crate) struct KeepersTurn {
    _shared: Option<Box<dyn Turn>>,
}

impl Authority {
    /// Whether others share the store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.store().shared().is_some()
    }

    /// Takes in everything that others have changed up to this call. Costs nothing where the store is not shared, and
    /// no time while it is known to be away. Whoever is about to change something calls it, so that one coordinator
    /// goes by what another was told.
    pub async fn catch_up(&self) -> Result<(), FollowError> {
        if !self.is_shared() {
            return Ok(());
        }
        self.store().health().map_err(FollowError::Store)?;
        self.look().await
    }

    /// The same, for whoever goes on with what is known here where the store is away: a change then fails by itself, and
    /// what is looked at or watched is what was known last.
    pub async fn latest(&self) {
        self.catch_up().await.ok();
    }

    /// One look at what others have changed. Those who wait for one that began after they asked share what came of it.
    async fn look(&self) -> Result<(), FollowError> {
        let Some(shared) = self.store().shared() else { return Ok(()) };
        let (mut at, number) = match self.following.rounds.next().await {
            Next::Turn(at, number) => (at, number),
            Next::Ended => return Ok(()),
            Next::Failed => return Err(FollowError::Shared),
        };
        let published = self.published_keys();
        match self.take_in_all(shared, &mut at).await {
            Ok(through) => {
                self.registry.reach(through);
                self.confirmations().publish(published, through);
                self.unreadable().fail(None);
                at.end(number, through);
                Ok(())
            }
            Err(error) => {
                // That the store is away it says itself.
                if error.class() == ErrorClass::Internal {
                    self.unreadable().fail(Some(error_chain(&error)));
                }
                at.fail(number);
                Err(error)
            }
        }
    }

    /// Takes in everything that is told, piece by piece, and gives the generation it comes to. A piece of which
    /// something cannot be taken in keeps none after it from being in force; from it on all is told again.
    async fn take_in_all(
        &self,
        shared: &dyn SharedStore,
        at: &mut At,
    ) -> Result<Generation, FollowError> {
        let (mut since, mut taken_in) = (at.told, Ok(()));
        loop {
            let piece = shared.changes(since).await.map_err(FollowError::Store)?;
            let changed = self.unreadable().sift(piece.changed);
            taken_in = taken_in.and(self.take_in(&changed).await);
            since = piece.through;
            if taken_in.is_ok() {
                at.told = since;
            }
            if !piece.more {
                return taken_in.map(|()| since);
            }
        }
    }

    /// Takes in what others have changed, tells them how far this coordinator has come, and hears how all stand:
    /// a key that everyone publishes may ripen. Gives how they stand; nobody where the store is not shared.
    pub async fn follow(&self) -> Result<Vec<Replica>, FollowError> {
        let Some(shared) = self.store().shared() else { return Ok(Vec::new()) };
        let begun = self.ledger.standing().map(Standing::now);
        self.look().await?;
        let through = self.following.rounds.through().await;
        let replicas = shared.report(through).await.map_err(FollowError::Store)?;
        if let Some((standing, begun)) = self.ledger.standing().zip(begun) {
            standing.followed(through, begun);
            let mut confirmations = self.confirmations();
            let confirmed = confirmations.hear(&replicas, standing.patience());
            self.keys.confirmed(confirmed);
            self.x509.confirmed(confirmed);
        }
        Ok(replicas)
    }

    /// Returns when there may be more to take in; never where the store is not shared.
    pub async fn news(&self) {
        match self.store().shared() {
            Some(shared) => shared.news(self.following.rounds.through().await).await,
            None => std::future::pending().await,
        }
    }

    /// Tells the others that this coordinator goes, so that nobody waits for it.
    pub async fn leave(&self) -> Result<(), StoreError> {
        match self.store().shared() {
            Some(shared) => shared.leave().await,
            None => Ok(()),
        }
    }

    /// That this coordinator still follows the others, if there are any.
    pub fn check_following(&self) -> Result<(), StoreError> {
        self.ledger.standing().map_or(Ok(()), Standing::check)
    }

    /// What others, or another version, have written and this coordinator cannot read, for people. What it is about is refused here; where
    /// everything hangs on it, this coordinator does not follow.
    #[must_use]
    pub fn unreadable_records(&self) -> Option<String> {
        let told = [self.unreadable().told(), self.providers().now().refused_profiles()];
        let told: Vec<_> = told.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Hears a witness of what the store had come to. One that has seen more than this coordinator has heard of is
    /// not believed before the store was asked: another coordinator may have written it.
    pub async fn hear(&self, receipt: &Receipt) -> Testimony {
        let is_behind = |testimony| matches!(testimony, Testimony::RolledBack(_));
        if self.is_shared()
            && is_behind(self.store().hear(receipt))
            && self.catch_up().await.is_err()
        {
            return Testimony::OtherLife;
        }
        self.ledger.hear(receipt)
    }

    /// The turn to keep the keys, with everything taken in that others have changed; `None` while another
    /// coordinator has it, or nobody can tell.
    pub(crate) async fn turn(&self) -> Option<KeepersTurn> {
        let Some(shared) = self.store().shared() else {
            return Some(KeepersTurn { _shared: None });
        };
        let turn = self.turn_of(shared).await?;
        Some(KeepersTurn { _shared: Some(turn) })
    }

    async fn turn_of(&self, shared: &dyn SharedStore) -> Option<Box<dyn Turn>> {
        let turn = shared.turn().await.ok().flatten()?;
        self.catch_up().await.ok()?;
        Some(turn)
    }

    /// Takes in all that can be: what fails keeps nothing else from being in force.
    async fn take_in(&self, changed: &[Changed]) -> Result<(), FollowError> {
        let touches = |collections: &[Collection]| {
            changed.iter().any(|one| collections.contains(&one.collection))
        };
        let mut taken_in = self.take_in_placements(changed).await;
        // Keys before the bundle of them.
        if touches(&[Collection::Keys, Collection::KeyRings]) {
            taken_in = taken_in.and(self.keys.refresh().await.map_err(FollowError::Keys));
        }
        if touches(&[Collection::X509Authorities, Collection::KeyRings]) {
            taken_in = taken_in.and(self.x509.refresh().await.map_err(FollowError::Keys));
        }
        if touches(&[Collection::BundleSequences]) {
            taken_in = taken_in.and(self.bundle.refresh().await.map_err(FollowError::Bundle));
        }
        if touches(&[Collection::Issuers]) {
            taken_in = taken_in.and(self.issuers.refresh().await.map_err(FollowError::Issuers));
        }
        if touches(&[Collection::Audiences]) {
            let profiles = self.profiles.refresh().await;
            taken_in = taken_in.and(profiles.map_err(FollowError::Audiences));
        }
        if touches(&[Collection::Federations, Collection::FederatedBundles]) {
            let federations = self.federations.refresh(self.now()).await;
            taken_in = taken_in.and(federations.map_err(FollowError::Federations));
        }
        if touches(&[Collection::Mappings, Collection::Scopes]) {
            let mappings = self.mappings.take_in(changed).await;
            taken_in = taken_in.and(mappings.map_err(FollowError::Mappings));
        }
        if touches(&[Collection::Policies]) {
            let policies = self.take_in_policies().await;
            taken_in = taken_in.and(policies.map_err(FollowError::Policies));
        }
        if touches(&[Collection::ProviderProfiles, Collection::Providers]) {
            let providers = self.providers.refresh().await;
            taken_in = taken_in.and(providers.map_err(FollowError::Providers));
        }
        taken_in
    }

    /// Without one of the policies nobody is let in by any: it may deny. Nothing else hangs on them.
    async fn take_in_policies(&self) -> Result<(), PoliciesError> {
        match self.policies.refresh().await {
            Err(PoliciesError::Store(error)) if error.class() == ErrorClass::Internal => {
                self.unreadable().note(Collection::Policies, "", &error);
                Ok(())
            }
            Ok(()) => {
                self.unreadable().forget(Collection::Policies);
                Ok(())
            }
            failed => failed,
        }
    }

    /// Members before what is placed on them, apps before their sandboxes.
    async fn take_in_placements(&self, changed: &[Changed]) -> Result<(), FollowError> {
        let of = |collection| -> Vec<Changed> {
            changed.iter().filter(|one| one.collection == collection).cloned().collect()
        };
        let mut gone = Vec::new();
        let members = of(Collection::Members);
        let members = self.members.take_in(&self.ledger, &members, &mut gone).await;
        for runner in gone {
            self.registry.revoke(&runner);
        }
        let invitations = self.enrollment.take_in(&of(Collection::JoinTokens)).await;
        let apps = self.registry.take_in_apps(&of(Collection::Apps)).await;
        let sandboxes = self.registry.take_in_sandboxes(&of(Collection::Sandboxes)).await;
        members.and(invitations).and(apps).and(sandboxes).map_err(FollowError::Store)
    }

    /// The keys that this coordinator publishes now, of both kinds: their ids are digests of them.
    fn published_keys(&self) -> BTreeSet<KeyId> {
        let ring = self.keys.ring();
        let published = ring.records().filter(|key| key.state.is_published());
        let keys = published.map(|key| key.key_id.clone());
        keys.chain(self.x509.ring().key_ids()).collect()
    }

    /// Every method of it leaves it whole: a panic elsewhere cannot have left it half changed.
    fn unreadable(&self) -> MutexGuard<'_, Unreadable> {
        self.following.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn confirmations(&self) -> MutexGuard<'_, Confirmations> {
        self.following.confirmations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
