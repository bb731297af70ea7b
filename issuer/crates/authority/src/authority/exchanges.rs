//! Token exchange: what clients may ask for, what they would get, and what they are given.
//!
//! As with log-in, to verify a proof and to give a token for it are two steps: between them a caller may fetch newer
//! keys and verify once more.

use std::sync::Arc;

use moneyer_identity::spiffe::claimed_trust_domain;
use moneyer_identity::{ForeignKeys, ForeignTokenError, UnixTime};

use super::open::Authority;
use crate::audit::{Actor, Holder, Refused, reason};
use crate::enrollment::{AuthenticatedOperator, Places as _};
use crate::exchange::{
    Catalog, ClientIdentifier, Examined, ExchangeAsk, ExchangeError, ExchangedToken, Grant,
    MappingKey, MappingsError, NotGranted, ParticipantContext, Place, Proofs, Purpose,
    ResourceMapping, Rules, ScopeKey, ScopeMapping, SubjectDomains, SubjectError, SubjectSource,
    SubjectSources, UnreviewedSubject, VerifiedSubject,
};
use crate::fetched_keys::FetchedKeys;
use crate::login::{LoginDomain, verify_jwt_svid};
use crate::mint::MintError;
use crate::store::{Generation, StoreError};
use crate::unbroken::unbroken;

impl Authority {
    /// Every mapping and every scope of this moment.
    #[must_use]
    pub fn exchange_catalog(&self) -> Arc<Catalog> {
        self.mappings.catalog()
    }

    /// What holds for every exchange.
    #[must_use]
    pub fn exchange_rules(&self) -> Rules {
        let policy = &self.charter.policy;
        Rules {
            audience: policy.default_audience().clone(),
            maximum_audiences: policy.maximum_audiences(),
            lifetime: policy.lifetimes().default_lifetime(),
        }
    }

    /// What a client would get for what it asks for, at this moment. `account` is the uid of its service account.
    pub fn decide_exchange(
        &self,
        client: &ClientIdentifier,
        account: Option<&str>,
        ask: &ExchangeAsk,
    ) -> Result<Grant, NotGranted> {
        let catalog = self.mappings.catalog();
        catalog.grant((client, account), ask, &self.exchange_rules(), self.now())
    }

    /// Writes mappings, all or none.
    pub async fn put_mappings(
        &self,
        by: &AuthenticatedOperator,
        several: Vec<ResourceMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let lifetimes = self.charter.policy.lifetimes();
        for mapping in several.iter().filter(|mapping| mapping.token_lifetime.is_some()) {
            let refused = |error| MappingsError::Lifetime { key: mapping.key(), error };
            lifetimes.choose(mapping.token_lifetime).map_err(refused)?;
        }
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let put = async move { mappings.put_mappings(&who, several, place).await };
        unbroken(MappingsError::Interrupted, put).await
    }

    /// Writes scopes, all or none.
    pub async fn put_scopes(
        &self,
        by: &AuthenticatedOperator,
        several: Vec<ScopeMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let put = async move { mappings.put_scopes(&who, several, place).await };
        unbroken(MappingsError::Interrupted, put).await
    }

    /// Removes a mapping, if it is there and is of this revision.
    pub async fn remove_mapping(
        &self,
        by: &AuthenticatedOperator,
        key: MappingKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_mapping(&who, &key, revision).await };
        unbroken(MappingsError::Interrupted, removal).await
    }

    /// Removes every mapping of a client, and tells how many there were.
    pub async fn remove_client(
        &self,
        by: &AuthenticatedOperator,
        client: ClientIdentifier,
    ) -> Result<usize, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_client(&who, &client).await };
        unbroken(MappingsError::Interrupted, removal).await
    }

    /// Removes a scope, if it is there and is of this revision.
    pub async fn remove_scope(
        &self,
        by: &AuthenticatedOperator,
        key: ScopeKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_scope(&who, &key, revision).await };
        unbroken(MappingsError::Interrupted, removal).await
    }
}

impl Authority {
    /// Whose tokens are taken in exchange.
    #[must_use]
    pub fn subject_sources(&self) -> &SubjectSources {
        &self.charter.subject_sources
    }

    /// The key sets of those issuers.
    #[must_use]
    pub fn source_keys(&self) -> &FetchedKeys<ForeignKeys> {
        &self.source_keys
    }

    /// The trust domains whose JWT-SVIDs are taken in exchange.
    #[must_use]
    pub fn subject_domains(&self) -> &SubjectDomains {
        &self.charter.subject_domains
    }

    /// Who somebody is by a token of another issuer, with the keys of this moment, as far as that can be said here.
    /// Nothing is given for it yet.
    pub fn examine_subject(
        &self,
        token: &str,
        purpose: Purpose<'_>,
    ) -> Result<Examined, SubjectError> {
        let now = self.now();
        let keys = |source: &SubjectSource| self.source_keys.find(&source.issuer, now);
        let examined = Examined::of(token, self.subject_sources(), purpose, keys, now);
        match examined {
            // A JWT-SVID needs no issuer, and if it names one, its subject still says whose it is.
            Err(
                SubjectError::UnknownIssuer(_) | SubjectError::Token(ForeignTokenError::Issuer),
            ) if purpose == Purpose::Exchange && self.is_svid(token) => {
                self.verify_svid_subject(token, now).map(Examined::Verified)
            }
            // Whatever its API server said of it: it would be asked for nothing.
            Ok(Examined::Unreviewed(subject)) if !self.may_serve(&subject, purpose) => {
                Err(SubjectError::NotAManager(subject.claimed_client().clone()))
            }
            examined => examined,
        }
    }

    /// Whether a token may be for this, should it be of whom it says.
    fn may_serve(&self, subject: &UnreviewedSubject, purpose: Purpose<'_>) -> bool {
        match purpose {
            Purpose::Exchange => true,
            Purpose::Management(_) => {
                self.management_plan().permissions(subject.claimed_client()).is_some()
            }
        }
    }

    /// Whether it claims to be of a trust domain whose JWT-SVIDs are taken.
    fn is_svid(&self, token: &str) -> bool {
        let claimed = claimed_trust_domain(token);
        claimed.is_ok_and(|claimed| self.subject_domains().plan().find(&claimed).is_some())
    }

    fn verify_svid_subject(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedSubject, SubjectError> {
        let bundle = |domain: &LoginDomain| self.login_bundle(domain, now);
        let svid = verify_jwt_svid(token, self.subject_domains().plan(), bundle, now);
        VerifiedSubject::of_svid(&svid.map_err(SubjectError::of_svid)?, token)
    }

    /// Gives a token for a proof, if a mapping grants it. Refusals are recorded, those of who proved nothing too.
    pub async fn exchange(
        &self,
        proofs: Result<Proofs, ExchangeError>,
        ask: ExchangeAsk,
    ) -> Result<ExchangedToken, ExchangeError> {
        let context = Some(ask.context.clone());
        let proofs = proofs.map_err(|error| {
            let who = match &error {
                ExchangeError::TooOften(client) => Actor::Client(client.clone()),
                _ => Actor::Nobody,
            };
            self.refuse_exchange(&Actor::Nobody, &who, context.clone(), error)
        })?;
        let who = Actor::Client(proofs.subject.client().clone());
        let together = Actor::ClientsOf(proofs.subject.issuer().to_owned());
        let refuse = |error| self.refuse_exchange(&together, &who, context.clone(), error);
        let by = self.request(who.clone());
        let grant = self.grant(&proofs, &ask).map_err(&refuse)?;
        let lifetime = proofs.lifetime(grant.lifetime, by.now).map_err(&refuse)?;
        if grant.mapping.spend_once {
            self.spent.spend(&proofs.subject).await.map_err(&refuse)?;
        }
        let drafted = self.minting_ring(&by).and_then(|ring| {
            let (claims, wanted) = (proofs.claims(&grant), (grant.audiences.clone(), lifetime));
            self.minter.draft_exchange(&ring, claims, wanted, by.now)
        });
        let still = || match self.grant(&proofs, &ask) {
            Ok(now) if now == grant => Ok(()),
            _ => Err(MintError::Mappings),
        };
        let minted = self.gate.pass(by, Holder::Caller, drafted, still).await;
        let minted = minted.map_err(ExchangeError::Mint)?;
        Ok(ExchangedToken { minted, scopes: grant.scopes.into_iter().collect() })
    }

    fn grant(&self, proofs: &Proofs, ask: &ExchangeAsk) -> Result<Grant, ExchangeError> {
        let subject = &proofs.subject;
        let decided = self.decide_exchange(subject.client(), subject.account_uid(), ask);
        decided.map_err(ExchangeError::NotGranted)
    }

    /// One issuer can name as many clients as it likes, and still has one share of the log.
    fn refuse_exchange(
        &self,
        together: &Actor,
        who: &Actor,
        context: Option<ParticipantContext>,
        error: ExchangeError,
    ) -> ExchangeError {
        let (refused, why) = (Refused::Exchange(context), reason(error.class(), &error));
        self.refusals.note_together(together, who, refused, why, self.now());
        error
    }

    /// Forgets proofs that were spent and have ended; none while the clock is wrong.
    pub async fn forget_spent_proofs(&self) -> Result<(), StoreError> {
        match self.proven_time() {
            Ok(proven) => self.spent.forget(proven.at_least()).await,
            Err(_) => Ok(()),
        }
    }
}
