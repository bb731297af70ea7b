//! What an operator may ask of the keys, and why not: pure, so that a dry run asks the same question.

use moneyer_identity::{ErrorClass, KeyId, ProvenTime, UnixTime};

use crate::keys::line::Line;
use crate::keys::record::KeyState;
use crate::keys::rotation::{KeyTimes, Rotation, Step};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCommand {
    /// Make and publish the next key of a line now.
    Prepare(Line),
    /// Sign with a prepared key now; none named: the one of the first line that has one whose turn is next.
    Activate(Option<KeyId>),
    /// Hold the next round of every line as soon as publication before use allows.
    Rotate,
    /// Withdraw a key at once (none named: every one that signs) and every prepared key beside it, of every
    /// line; sign with new ones.
    Emergency(Option<KeyId>),
    /// Give up a prepared key.
    Retire(KeyId),
    /// Forget retired keys whose tokens are all dead; none named: every such key.
    Prune(Option<KeyId>),
}

/// Why a command is not carried out. Each says when it would be, or what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No key has this id.
    #[error("there is no key {0}; `moneyer key list` names them")]
    NoSuchKey(KeyId),
    /// There is nothing to activate.
    #[error("no key is prepared; `moneyer key prepare` makes one")]
    NothingPrepared,
    /// The key is not in the state that the command is for.
    #[error("key {key_id} is {}, and only a {} key can be {asked}", found.as_str(), needed.as_str())]
    State {
        /// Which key.
        key_id: KeyId,
        /// Its state.
        found: KeyState,
        /// The state it would have to be in.
        needed: KeyState,
        /// What was asked for, as a participle.
        asked: &'static str,
    },
    /// The key is not in what relying parties are served yet.
    #[error(
        "key {0} is not seen in the key set that relying parties are served; it signs after it was \
         published (`moneyer publish status` says what is seen)"
    )]
    NotServed(KeyId),
    /// The key set that relying parties have cached may lack the key.
    #[error(
        "key {key_id} may sign from {} on, {} s from now: until then relying parties may have a \
         cached key set without it; `moneyer key rotate --emergency` does not wait",
        rfc3339(*at),
        at.since(*now).as_secs()
    )]
    TooEarly {
        /// Which key.
        key_id: KeyId,
        /// From when it may.
        at: UnixTime,
        /// What has certainly come by then, reckoned from its publication.
        now: UnixTime,
    },
    /// Tokens of the key are alive.
    #[error(
        "tokens signed with key {key_id} may be alive until {}, {} s from now; `moneyer key rotate \
         --emergency --key {key_id}` withdraws it and them",
        rfc3339(*until),
        until.since(*now).as_secs()
    )]
    LivingTokens {
        /// Which key.
        key_id: KeyId,
        /// Until when.
        until: UnixTime,
        /// What has certainly come by then, reckoned from its activation.
        now: UnixTime,
    },
    /// The key may sign without an end.
    #[error("key {0} has no end set to its signing, so its tokens have none either")]
    NoEnd(KeyId),
}

impl CommandError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSuchKey(_) => ErrorClass::NotFound,
            _ => ErrorClass::Conflict,
        }
    }

    /// The refusal in the words for an authority of X.509-SVIDs.
    pub(super) fn of_authority(&self) -> String {
        match self {
            Self::NoSuchKey(key_id) => {
                format!("there is no X.509 authority {key_id}; `moneyer key list` names them")
            }
            Self::NothingPrepared => {
                "no X.509 authority is prepared; `moneyer key prepare --x509` makes one".to_owned()
            }
            Self::State { key_id, found, needed, asked } => format!(
                "X.509 authority {key_id} is {}, and only a {} one can be {asked}",
                found.as_str(),
                needed.as_str()
            ),
            Self::NotServed(key_id) => format!(
                "X.509 authority {key_id} is not in the trust bundle that is served; it signs after it was"
            ),
            Self::TooEarly { key_id, at, now } => format!(
                "X.509 authority {key_id} may sign from {} on, {} s from now: until then peers may have \
                 a trust bundle without it; `moneyer key rotate --x509 --emergency` does not wait",
                rfc3339(*at),
                at.since(*now).as_secs()
            ),
            Self::LivingTokens { key_id, until, now } => format!(
                "SVIDs of the X.509 authority {key_id} may be alive until {}, {} s from now; `moneyer \
                 key rotate --x509 --emergency --key {key_id}` withdraws it and them",
                rfc3339(*until),
                until.since(*now).as_secs()
            ),
            Self::NoEnd(key_id) => format!(
                "X.509 authority {key_id} has no end set to its signing, so its SVIDs have none either"
            ),
        }
    }
}

impl Rotation<'_> {
    /// The steps that carry out a command, or why they may not be done now. What relying parties would
    /// miss goes by time that has certainly come.
    pub fn judge(
        &self,
        command: &KeyCommand,
        proven: &ProvenTime,
    ) -> Result<Vec<Step>, CommandError> {
        match command {
            KeyCommand::Prepare(line) => Ok(vec![Step::Prepare(*line)]),
            KeyCommand::Rotate => Ok(vec![Step::Request]),
            KeyCommand::Activate(key_id) => self.activate(key_id.as_ref(), proven),
            KeyCommand::Emergency(key_id) => self.withdraw(key_id.as_ref()),
            KeyCommand::Retire(key_id) => {
                let key = self.find(key_id)?;
                expect(key, KeyState::Prepared, "retired")?;
                Ok(vec![Step::Retire(key_id.clone())])
            }
            KeyCommand::Prune(Some(key_id)) => self.prune(key_id, proven),
            KeyCommand::Prune(None) => {
                let mut steps = self.due_by(proven);
                steps.retain(|step| matches!(step, Step::Prune(_)));
                Ok(steps)
            }
        }
    }

    fn prune(&self, key_id: &KeyId, proven: &ProvenTime) -> Result<Vec<Step>, CommandError> {
        let key = self.find(key_id)?;
        if key.state != KeyState::Withdrawn {
            expect(key, KeyState::Retiring, "pruned")?;
        }
        let (key_id, now) = (key_id.clone(), proven.reckoned_from(key.used_from()));
        match self.dead_at(key) {
            None => Err(CommandError::NoEnd(key_id)),
            Some(until) if until > now => Err(CommandError::LivingTokens { key_id, until, now }),
            Some(_) => Ok(vec![Step::Prune(key_id)]),
        }
    }

    fn activate(
        &self,
        key_id: Option<&KeyId>,
        proven: &ProvenTime,
    ) -> Result<Vec<Step>, CommandError> {
        let key = match key_id {
            Some(key_id) => self.find(key_id)?,
            None => self.prepared().first().copied().ok_or(CommandError::NothingPrepared)?,
        };
        expect(key, KeyState::Prepared, "activated")?;
        let (key_id, now) = (key.key_id.clone(), proven.reckoned_from(key.served_from()));
        match self.ripe_at(key).filter(|_| self.is_served(key)) {
            None => Err(CommandError::NotServed(key_id)),
            Some(at) if at > now => Err(CommandError::TooEarly { key_id, at, now }),
            Some(_) => Ok(vec![Step::Activate(key_id)]),
        }
    }

    /// The key, and what lay beside it and would sign next: whoever has the one may have the others. Where
    /// none is named, every key that signs.
    fn withdraw(&self, key_id: Option<&KeyId>) -> Result<Vec<Step>, CommandError> {
        let mut withdrawn = Vec::new();
        if let Some(key_id) = key_id {
            let key = self.find(key_id)?;
            if key.state == KeyState::Withdrawn {
                return Err(CommandError::State {
                    key_id: key_id.clone(),
                    found: key.state,
                    needed: KeyState::Active,
                    asked: "withdrawn",
                });
            }
            withdrawn.push(key_id.clone());
        } else {
            withdrawn.extend(self.in_state(KeyState::Active));
        }
        let beside = self.in_state(KeyState::Prepared);
        let beside: Vec<_> = beside.filter(|prepared| !withdrawn.contains(prepared)).collect();
        withdrawn.extend(beside);
        Ok(vec![Step::Withdraw(withdrawn)])
    }

    /// The keys of every line in this state.
    fn in_state(&self, state: KeyState) -> impl Iterator<Item = KeyId> {
        self.keys.iter().filter(move |key| key.state == state).map(|key| key.key_id.clone())
    }

    fn find(&self, key_id: &KeyId) -> Result<&KeyTimes, CommandError> {
        let found = self.keys.iter().find(|key| key.key_id == *key_id);
        found.ok_or_else(|| CommandError::NoSuchKey(key_id.clone()))
    }
}

fn expect(key: &KeyTimes, needed: KeyState, asked: &'static str) -> Result<(), CommandError> {
    if key.state == needed {
        return Ok(());
    }
    Err(CommandError::State { key_id: key.key_id.clone(), found: key.state, needed, asked })
}

/// A time as operators read it.
fn rfc3339(time: UnixTime) -> String {
    time::OffsetDateTime::from_unix_timestamp(time.0)
        .ok()
        .and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| time.to_string())
}
