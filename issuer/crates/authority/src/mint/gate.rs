//! The gate: the one place where tokens leave, and where those who get none are recorded.
//!
//! A draft already knows everything the audit log is told, so the record is handed over before the
//! signature is made, and both are made at the same time. A token leaves when its record is durable, it
//! is signed, its key is still published, and its holder may still have it. A token that was recorded and
//! does not leave is recorded as withheld; its record may say more than happened and never less.
//!
//! A batch is one recording, and one hand-over to the signer for each key.

use std::sync::Arc;

use futures_util::future::join_all;
use moneyer_identity::{ClockFault, MintedToken, Token, TokenId, UnixTime, UnsignedToken};

use crate::audit::{
    Actor, Audit, AuditError, AuditEvent, Event, Holder, Refusals, Refused, TokenWithheld, reason,
};
use crate::keys::Keys;
use crate::mint::draft::{Draft, Minted};
use crate::mint::error::MintError;
use crate::signer::{SignerError, SigningKey};

/// Who asks for tokens, and when.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) who: Actor,
    /// When, by a clock that may be wrong.
    pub(crate) now: UnixTime,
    /// The same time, if the clock can be trusted to sign with.
    pub(crate) sound: Result<UnixTime, ClockFault>,
}

/// Lets tokens out.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    audit: Arc<dyn Audit>,
    refusals: Refusals,
    keys: Arc<Keys>,
}

/// A draft whose record and signature are under way.
struct Begun {
    holder: Holder,
    minted: Minted,
}

impl Gate {
    pub(crate) fn new(audit: Arc<dyn Audit>, refusals: Refusals, keys: Arc<Keys>) -> Self {
        Self { audit, refusals, keys }
    }

    /// One token: recorded, signed, and `permitted` anew, since a change acknowledged while it was signed
    /// holds for it too.
    pub(crate) async fn pass(
        &self,
        by: Request,
        holder: Holder,
        drafted: Result<Draft, MintError>,
        permitted: impl Fn() -> Result<(), MintError> + Send,
    ) -> Result<MintedToken, MintError> {
        let draft = match drafted {
            Ok(draft) => draft,
            Err(error) => return Err(self.refuse(&by, holder, error)),
        };
        let Draft { key, unsigned, minted, recorded } = draft;
        let event = AuditEvent::new(by.now, by.who.clone(), Event::TokenMinted(recorded));
        let recording = match self.audit.record(vec![event]) {
            Ok(recording) => recording,
            Err(error) => return Err(self.refuse(&by, holder, MintError::Audit(error))),
        };
        let signed = key.sign(unsigned).await.map_err(MintError::Signer);
        let recorded = recording.durable().await;
        let outcome = recorded.map_err(MintError::Audit).and(signed);
        self.end(&by, Begun { holder, minted }, outcome, permitted)
    }

    /// Tokens in the order of their drafts. One refusal does not touch the others. `permitted` is asked
    /// by the place in that order.
    pub(crate) async fn pass_all(
        &self,
        by: Request,
        drafted: Vec<(Holder, Result<Draft, MintError>)>,
        permitted: impl Fn(usize) -> Result<(), MintError> + Send,
    ) -> Vec<Result<MintedToken, MintError>> {
        let mut outcomes = Vec::with_capacity(drafted.len());
        let (mut events, mut unsigned) = (Vec::new(), Vec::new());
        for (holder, drafted) in drafted {
            outcomes.push(drafted.map_err(|error| self.refuse(&by, holder.clone(), error)).map(
                |draft| {
                    let minted = Event::TokenMinted(draft.recorded);
                    events.push(AuditEvent::new(by.now, by.who.clone(), minted));
                    unsigned.push((draft.key, draft.unsigned));
                    Begun { holder, minted: draft.minted }
                },
            ));
        }
        if unsigned.is_empty() {
            let none = |outcome: Result<Begun, _>| outcome.and(Err(MintError::NoKey));
            return outcomes.into_iter().map(none).collect();
        }
        let recording = match self.audit.record(events) {
            Ok(recording) => recording,
            Err(error) => return self.none(&by, outcomes, &error),
        };
        let mut signed = sign_all(unsigned).await.into_iter();
        let recorded = recording.durable().await;
        let mut end = |(at, begun): (usize, Begun)| {
            let signed = match signed.next().flatten() {
                Some(signed) => signed.map_err(MintError::Signer),
                None => Err(MintError::NoKey),
            };
            let outcome = match &recorded {
                Ok(_) => signed,
                Err(error) => Err(MintError::Audit(again(error))),
            };
            self.end(&by, begun, outcome, || permitted(at))
        };
        let ended = outcomes.into_iter().enumerate();
        ended.map(|(at, begun)| begun.and_then(|begun| end((at, begun)))).collect()
    }

    /// Records that somebody known was refused something, where no draft was made.
    pub(crate) fn refuse(&self, by: &Request, holder: Holder, error: MintError) -> MintError {
        self.refusals.note(
            &by.who,
            Refused::Token(Some(holder)),
            reason(error.class(), &error),
            by.now,
        );
        error
    }

    fn end(
        &self,
        by: &Request,
        begun: Begun,
        outcome: Result<Token, MintError>,
        permitted: impl Fn() -> Result<(), MintError>,
    ) -> Result<MintedToken, MintError> {
        let Begun { holder, minted } = begun;
        let outcome = outcome.and_then(|token| {
            permitted()?;
            // A key that was withdrawn while it signed: nobody would take the token, and nobody should.
            if !self.keys.ring().publishes(minted.key_id()) {
                return Err(MintError::NoKey);
            }
            Ok(token)
        });
        match outcome {
            Ok(token) => Ok(minted.with(token)),
            Err(error) => {
                self.withhold(by, holder, minted.token_id().clone(), &error);
                Err(error)
            }
        }
    }

    /// Nobody waits for this record: without it the log says more than happened.
    fn withhold(&self, by: &Request, holder: Holder, jti: TokenId, error: &MintError) {
        let (sandbox, system_workload) = holder.into_fields();
        let (class, reason) = reason(error.class(), error);
        let withheld = TokenWithheld { sandbox, system_workload, jti, class, reason };
        let what = Event::TokenWithheld(withheld);
        self.audit.record(vec![AuditEvent::new(by.now, by.who.clone(), what)]).ok();
    }

    /// Every token of a batch that could not be recorded.
    fn none(
        &self,
        by: &Request,
        begun: Vec<Result<Begun, MintError>>,
        error: &AuditError,
    ) -> Vec<Result<MintedToken, MintError>> {
        let refuse =
            |begun: Begun| Err(self.refuse(by, begun.holder, MintError::Audit(again(error))));
        begun.into_iter().map(|begun| begun.and_then(refuse)).collect()
    }
}

/// Tokens that one key is to sign, and their places in the batch.
struct Share {
    key: Arc<dyn SigningKey>,
    places: Vec<usize>,
    tokens: Vec<UnsignedToken>,
}

/// Signs tokens with the key of each, and answers at their places: one that its signer left out has no
/// answer, and no other takes its place.
async fn sign_all(
    tokens: Vec<(Arc<dyn SigningKey>, UnsignedToken)>,
) -> Vec<Option<Result<Token, SignerError>>> {
    let mut answers: Vec<_> = tokens.iter().map(|_| None).collect();
    let mut shares: Vec<Share> = Vec::new();
    for (at, (key, token)) in tokens.into_iter().enumerate() {
        match shares.iter_mut().find(|share| Arc::ptr_eq(&share.key, &key)) {
            Some(share) => {
                share.places.push(at);
                share.tokens.push(token);
            }
            None => shares.push(Share { key, places: vec![at], tokens: vec![token] }),
        }
    }
    let signing = shares.into_iter().map(|Share { key, places, tokens }| async move {
        places.into_iter().zip(key.sign_all(tokens).await).collect::<Vec<_>>()
    });
    for (at, signed) in join_all(signing).await.into_iter().flatten() {
        if let Some(answer) = answers.get_mut(at) {
            *answer = Some(signed);
        }
    }
    answers
}

/// The same error for another token of the batch. Its cause is logged where it happened.
fn again(error: &AuditError) -> AuditError {
    match error {
        AuditError::Failing(cause) => AuditError::Failing(cause.to_string().into()),
        AuditError::Encode(cause) => AuditError::Encode(cause.to_string().into()),
        AuditError::Slow => AuditError::Slow,
        AuditError::Overloaded => AuditError::Overloaded,
        AuditError::Closed => AuditError::Closed,
    }
}
