//! The loop that keeps keys and issuers: it looks, and does what is due.
//!
//! All it knows of time is how often to look; what is due when is the authority's rule. Which keys relying
//! parties are served it hears from the [publisher](crate::publish).

use std::time::Duration;

use moneyer_authority::{Authority, Outcome};
use moneyer_identity::KeyId;

use crate::documents::PublicDocuments;

/// How often it looks. A round may be as short as ten seconds, in tests; a look costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Carries out what is due, for ever: with the keys of tokens and with the authorities of X.509-SVIDs.
pub(super) async fn rotate(authority: Authority) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    let (mut keys, mut authorities) = (Told::of("tokens"), Told::of("x509_svids"));
    loop {
        every.tick().await;
        keys.tell(authority.rotate().await);
        authorities.tell(authority.rotate_x509().await);
        if let Err(error) = authority.prune_issuers().await {
            let cause = crate::chain(&error);
            tracing::warn!(error.cause = cause, "a previous issuer that has ended is still listed");
        }
    }
}

/// What the log is told of the steps of one ring.
struct Told {
    /// What its keys sign.
    signs: &'static str,
    failing: bool,
}

impl Told {
    fn of(signs: &'static str) -> Self {
        Self { signs, failing: false }
    }

    fn tell(&mut self, outcomes: Vec<Outcome>) {
        let (signs, mut failed) = (self.signs, false);
        for (step, outcome) in outcomes {
            let key_id = step.key_id().map(KeyId::as_str).unwrap_or_default();
            match outcome {
                Ok(()) => tracing::info!(
                    key.signs = signs,
                    key.step = step.as_str(),
                    key.id = key_id,
                    "a key was changed"
                ),
                Err(error) => {
                    failed = true;
                    // Once for an outage, not once a second.
                    if !self.failing {
                        let cause = crate::chain(&error);
                        tracing::error!(
                            key.signs = signs,
                            key.step = step.as_str(),
                            key.id = key_id,
                            error.cause = cause,
                            "a step of the rotation failed; it is tried again every second"
                        );
                    }
                }
            }
        }
        self.failing = failed;
    }
}

/// Follows the rings with the trust bundle, and tries again where its number could not be stored.
pub(super) async fn follow_bundle(authority: Authority) {
    let mut keys = authority.keys().changes();
    let mut authorities = authority.x509_authorities().changes();
    loop {
        // The number of content that another coordinator has written already is that one's.
        authority.latest().await;
        let followed = authority.bundle().follow().await;
        let retry = followed.as_ref().err().map(|_failed| LOOK_EVERY);
        if let Err(error) = followed {
            let cause = crate::chain(&error);
            tracing::error!(error.cause = cause, "the trust bundle does not follow the keys");
        }
        let changed = tokio::select! {
            changed = keys.changed() => changed,
            changed = authorities.changed() => changed,
            () = tokio::time::sleep(retry.unwrap_or_default()), if retry.is_some() => continue,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Renders the public documents anew when a ring, the trust bundle or the issuers have changed.
pub(super) async fn republish(authority: Authority, documents: PublicDocuments) {
    let mut keys = authority.keys().changes();
    let mut issuers = authority.issuers().changes();
    let mut bundle = authority.bundle().changes();
    loop {
        if let Err(error) = documents.replace(authority.published()) {
            let cause = crate::chain(&error);
            tracing::error!(error.cause = cause, "the public documents could not be rendered");
        }
        let changed = tokio::select! {
            changed = keys.changed() => changed,
            changed = issuers.changed() => changed,
            changed = bundle.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
