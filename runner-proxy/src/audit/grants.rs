//! [`GrantAudit`]: what the forward proxy tells the log.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_identity::grant::{Destination, EndpointRule};
use moneyer_identity::{Clock, SandboxId};
use moneyer_recording::{AuditError, LineLog, Lines};

use super::endpoint_name::EndpointName;
use super::event::{AskedFor, Event, Forwarded, Record};
use super::refusals::{Kind, Refusals, Refused, Word};
use crate::grant::{GrantError, GrantKey};

/// The audit log, as grants see it. Clones share everything.
#[derive(Clone)]
pub(crate) struct GrantAudit {
    log: Arc<dyn LineLog>,
    clock: Arc<dyn Clock>,
    refusals: Arc<Mutex<Refusals>>,
}

impl GrantAudit {
    /// Kept in this log.
    pub(crate) fn new(log: Arc<dyn LineLog>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, refusals: Arc::default() }
    }

    /// Whether a token could be recorded now; it is not asked for where it could not.
    pub(crate) fn health(&self) -> Result<(), AuditError> {
        self.log.health()
    }

    /// Records that a token was obtained, and waits until that is durable. Where it fails the token is not used.
    pub(crate) async fn granted(
        &self,
        key: &GrantKey,
        life: Duration,
        destination: &Destination,
    ) -> Result<(), AuditError> {
        let now = self.clock.now();
        let (asked, destination) = (AskedFor::of(key), destination.to_string());
        let event = Event::TokenGranted { asked, destination, exp: now.plus(life) };
        let record = Record::new(now, &key.holder.sandbox, event);
        self.log.append(Lines::of(&[record])?)?.durable().await.map(drop)
    }

    /// Records that a token was not obtained. Nobody waits for it: none was let out.
    pub(crate) fn not_granted(&self, key: &GrantKey, error: &GrantError) {
        let (provider, credential) = (&key.grant.provider, &key.grant.credential);
        let word = Word { class: error.class().as_str(), reason: error.as_str() };
        let of = format!("{provider}:{credential}");
        let refused = Refused { kind: Kind::Token, of, word };
        self.note(&key.holder.sandbox, refused, || {
            let (asked, Word { class, reason }) = (Some(AskedFor::of(key)), word);
            Event::TokenNotGranted { asked, class, reason, count: 1 }
        });
    }

    /// Records that a request or a tunnel was refused. `endpoint`: the one that names the destination.
    pub(crate) fn refused(
        &self,
        sandbox: &SandboxId,
        destination: Option<&Destination>,
        endpoint: Option<&EndpointName>,
        word: Word,
    ) {
        let of = endpoint.map(ToString::to_string).unwrap_or_default();
        let refused = Refused { kind: Kind::Request, of, word };
        self.note(sandbox, refused, || {
            Event::ForwardRefused(Forwarded::first(destination, endpoint, word))
        });
    }

    /// Records that a request passed which its endpoint only wants written down.
    pub(crate) fn audited(
        &self,
        sandbox: &SandboxId,
        destination: &Destination,
        endpoint: &EndpointRule,
        word: Word,
    ) {
        let endpoint = EndpointName::of(endpoint);
        let refused = Refused { kind: Kind::Audited, of: endpoint.to_string(), word };
        self.note(sandbox, refused, || {
            Event::ForwardAudited(Forwarded::first(Some(destination), Some(&endpoint), word))
        });
    }

    /// Records the counts of minutes that are over, or of all.
    pub(crate) fn settle(&self, all: bool) {
        self.refusals().settle(self.clock.now(), all, |records| self.record(&records));
    }

    fn note(&self, sandbox: &SandboxId, refused: Refused, first: impl FnOnce() -> Event) {
        let now = self.clock.now();
        self.refusals().note(sandbox, refused, first, now, |records| self.record(&records));
    }

    /// Whether the log took them.
    fn record(&self, records: &[Record]) -> bool {
        Lines::of(records).and_then(|lines| self.log.append(lines)).is_ok()
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        // Whole after each use, so a panic elsewhere cannot have torn it.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GrantAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantAudit").field("log", &self.log).finish_non_exhaustive()
    }
}
