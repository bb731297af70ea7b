//! What an authority does by itself and on an operator's word with its keys and issuers.
//!
//! Every step is carried out from the state of its moment: two who ask at once cannot both succeed. What
//! an operator asked for runs to its end, also if the operator hangs up.

use moneyer_identity::{ClockReport, ErrorClass, IssuerUrl, OtherTime, ProvenTime, UnixTime};

use crate::audit::{Actor, AuditError, Event};
use crate::authority::Authority;
use crate::enrollment::{AuthenticatedOperator, Places as _};
use crate::issuers::IssuersError;
use crate::keys::{Import, KeyCommand, KeyRecord, KeysError, Line, Step};
use crate::store::Generation;
use crate::unbroken::unbroken;

/// What became of a step.
pub type Outcome = (Step, Result<(), KeysError>);

impl Authority {
    /// Carries out every step that is due, and says what became of each. A step that fails does not hold
    /// up the others; it is due again the next time. Nothing is due while the clock is wrong: a jump
    /// forward would retire every key at once. What a clock that was ahead at the start would do too
    /// early waits for the time that has certainly come.
    pub async fn rotate(&self) -> Vec<Outcome> {
        let Ok(proven) = self.proven_time() else {
            return Vec::new();
        };
        let now = proven.now();
        let mut outcomes = Vec::new();
        // A store that cannot be read says so by its health, and is asked again at the next turn.
        self.keys().settle().await.ok();
        match self.keys().take_up(now).await {
            Ok(lines) => {
                outcomes.extend(lines.into_iter().map(|line| (Step::Prepare(line), Ok(()))));
            }
            Err(error) => outcomes.push((Step::Prepare(Line::Primary), Err(error))),
        }
        if self.keys().due_by(&proven).is_empty() {
            return outcomes;
        }
        let Some(_turn) = self.turn().await else { return outcomes };
        for step in self.keys().due_by(&proven) {
            let outcome = self.keys().carry_out(&Actor::System, &step, now).await;
            outcomes.push((step, outcome));
        }
        outcomes
    }

    /// The same for the authorities of X.509-SVIDs.
    pub async fn rotate_x509(&self) -> Vec<Outcome> {
        let Ok(proven) = self.proven_time() else {
            return Vec::new();
        };
        let (x509, now) = (self.x509_authorities(), proven.now());
        let mut outcomes = Vec::new();
        x509.settle().await.ok();
        if x509.due_by(&proven).is_empty() {
            return outcomes;
        }
        let Some(_turn) = self.turn().await else { return outcomes };
        for step in x509.due_by(&proven) {
            let outcome = x509.carry_out(&Actor::System, &step, now).await;
            outcomes.push((step, outcome));
        }
        outcomes
    }

    /// What a command would do now, or why not: what [`command_keys`](Self::command_keys) does.
    pub fn judge_keys(
        &self,
        _: &AuthenticatedOperator,
        command: &KeyCommand,
    ) -> Result<Vec<Step>, KeysError> {
        self.judged(command).map(|(_, steps)| steps)
    }

    /// The time of a command, and its steps. What relying parties would miss goes by time that has
    /// certainly come. While the clock is wrong nothing but an emergency is done.
    fn judged(&self, command: &KeyCommand) -> Result<(UnixTime, Vec<Step>), KeysError> {
        let proven = self.time_of(command)?;
        Ok((proven.now(), self.keys().judge(command, &proven)?))
    }

    fn time_of(&self, command: &KeyCommand) -> Result<ProvenTime, KeysError> {
        match command {
            KeyCommand::Emergency(_) => Ok(ProvenTime::certain(self.now())),
            _ => self.proven_time().map_err(KeysError::Clock),
        }
    }

    /// Does what a command asks for, as far as it may be done now, and says what was done.
    pub async fn command_keys(
        &self,
        by: &AuthenticatedOperator,
        command: &KeyCommand,
    ) -> Result<Vec<Step>, KeysError> {
        let (now, steps) = self.judged(command)?;
        let (authority, who) = (self.clone(), by.actor());
        unbroken(KeysError::Interrupted, async move {
            for step in &steps {
                authority.keys().carry_out(&who, step, now).await?;
            }
            Ok(steps)
        })
        .await
    }

    /// What a command would do now with the authorities of X.509-SVIDs, or why not.
    pub fn judge_x509(
        &self,
        _: &AuthenticatedOperator,
        command: &KeyCommand,
    ) -> Result<Vec<Step>, KeysError> {
        self.judged_x509(command).map(|(_, steps)| steps)
    }

    fn judged_x509(&self, command: &KeyCommand) -> Result<(UnixTime, Vec<Step>), KeysError> {
        let proven = self.time_of(command)?;
        Ok((proven.now(), self.x509_authorities().judge(command, &proven)?))
    }

    /// Does what a command asks for with the authorities of X.509-SVIDs, and says what was done.
    pub async fn command_x509(
        &self,
        by: &AuthenticatedOperator,
        command: &KeyCommand,
    ) -> Result<Vec<Step>, KeysError> {
        let (now, steps) = self.judged_x509(command)?;
        let (x509, who) = (self.x509_authorities().clone(), by.actor());
        unbroken(KeysError::Interrupted, async move {
            for step in &steps {
                x509.carry_out(&who, step, now).await?;
            }
            Ok(steps)
        })
        .await
    }

    /// The records that an import would add, or why not.
    pub fn judge_import(
        &self,
        _: &AuthenticatedOperator,
        imports: Vec<Import>,
    ) -> Result<Vec<KeyRecord>, KeysError> {
        self.keys().judge_import(imports, self.now())
    }

    /// Goes on verifying with keys of another issuer's making, and gives the records of those that were
    /// not known before. Nothing is done while the clock is wrong.
    pub async fn import_keys(
        &self,
        by: &AuthenticatedOperator,
        imports: Vec<Import>,
    ) -> Result<Vec<KeyRecord>, KeysError> {
        let now = self.sound_time().map_err(KeysError::Clock)?;
        let (authority, who) = (self.clone(), by.actor());
        let import = async move { authority.keys().import(&who, imports, now).await };
        unbroken(KeysError::Interrupted, import).await
    }

    /// Lets tokens name another issuer from now on.
    pub async fn move_issuer(
        &self,
        by: &AuthenticatedOperator,
        issuer: &IssuerUrl,
    ) -> Result<(), IssuersError> {
        let now = self.sound_time().map_err(IssuersError::Clock)?;
        let (authority, who, issuer) = (self.clone(), by.actor(), issuer.clone());
        let moving = async move { authority.issuers().move_to(&who, &issuer, now).await };
        unbroken(IssuersError::Interrupted, moving).await
    }

    /// Records that the store's secrets are about to be sealed under this key.
    pub async fn note_rekey(
        &self,
        by: &AuthenticatedOperator,
        kek: String,
    ) -> Result<(), AuditError> {
        let event = Event::StoreRekeyed { kek };
        self.ledger().record(&by.actor(), vec![event]).await.map(drop)
    }

    /// How it stands with the clock.
    #[must_use]
    pub fn clock(&self, _: &AuthenticatedOperator) -> ClockReport {
        self.port_clock().report()
    }

    /// Takes the wall clock for right as it is now, on the word of an operator who states what it says:
    /// recorded first. No key leaves the key set and no issuer ends by that.
    pub async fn confirm_clock(
        &self,
        by: &AuthenticatedOperator,
        stated: UnixTime,
    ) -> Result<ClockReport, ConfirmError> {
        let report = self.clock(by);
        report.check(stated)?;
        let event = Event::ClockConfirmed { stated, mark: report.mark };
        self.ledger().record(&by.actor(), vec![event]).await?;
        self.port_clock().confirm(stated)?;
        Ok(self.clock(by))
    }

    /// The latest time seen, where it was not where it is kept and was made again.
    #[must_use]
    pub fn missing_mark(&self) -> Option<UnixTime> {
        let report = self.port_clock().report();
        report.mark.filter(|_| report.mark_was_missing)
    }

    /// Records that the latest time seen was not where it is kept, and which took its place.
    pub async fn note_missing_mark(&self, mark: UnixTime) -> Result<(), AuditError> {
        let event = Event::ClockMarkMissing { mark };
        self.ledger().record(&Actor::System, vec![event]).await.map(drop)
    }

    /// Records that a copy of everything is about to be written into this file.
    pub async fn note_backup(
        &self,
        by: &AuthenticatedOperator,
        file: &std::path::Path,
    ) -> Result<(), AuditError> {
        let file = crate::audit::bounded(file.display().to_string());
        self.ledger().record(&by.actor(), vec![Event::StoreBackedUp { file }]).await.map(drop)
    }

    /// Records that an operator accepted what is missing from the store.
    pub async fn note_loss(&self, generation: Generation) -> Result<(), AuditError> {
        let event = Event::LossAccepted { generation };
        self.ledger().record(&Actor::System, vec![event]).await.map(drop)
    }

    /// Forgets previous issuers that no live token names; none while the clock is wrong.
    pub async fn prune_issuers(&self) -> Result<(), IssuersError> {
        match self.proven_time() {
            Ok(proven) => self.issuers().prune(&proven).await,
            Err(_) => Ok(()),
        }
    }

    /// A number that changes when whoever holds tokens should get new ones at once: tokens name another
    /// issuer, or a key was withdrawn.
    #[must_use]
    pub fn reissue(&self) -> Reissue {
        Reissue {
            issuer_since: self.issuers().list().since(),
            withdrawals: self.keys().ring().record().withdrawals,
        }
    }
}

/// Why the clock is not taken for right.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Another time was stated than the wall clock's.
    #[error(transparent)]
    OtherTime(#[from] OtherTime),
    /// It could not be recorded. Nothing was changed.
    #[error("the confirmation could not be recorded")]
    Audit(#[from] AuditError),
}

impl ConfirmError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::OtherTime(_) => ErrorClass::Invalid,
            Self::Audit(error) => error.class(),
        }
    }
}

/// Tells tokens minted before a move or a withdrawal from those minted after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reissue {
    /// From when tokens name the present issuer.
    pub issuer_since: UnixTime,
    /// How often keys were withdrawn.
    pub withdrawals: u64,
}
