//! What was seen from outside, judged by nobody yet.

use std::net::IpAddr;
use std::time::Duration;

use moneyer_daemon::outbound::{Answer, PeerChain};
use moneyer_identity::{MAXIMUM_KEY_SET_BYTES, UnixTime};
use serde_json::{Map, Value};

use super::address::IssuerAddress;

/// What the looks may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From here on it is slow.
    pub slow: Duration,
    /// From here on AWS has given up.
    pub too_slow: Duration,
    /// The look itself gives up.
    pub give_up: Duration,
    /// Longest document in bytes that is read.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slow: Duration::from_secs(1),
            too_slow: Duration::from_secs(5),
            give_up: Duration::from_secs(6),
            max_body: MAXIMUM_KEY_SET_BYTES,
        }
    }
}

/// What was seen of an issuer.
#[derive(Debug)]
pub struct Observation {
    /// The issuer as it was asked for.
    pub issuer: IssuerAddress,
    /// What the looks were allowed to take.
    pub limits: Limits,
    /// The addresses of its host, or why there are none.
    pub addresses: Result<Vec<IpAddr>, String>,
    /// The discovery document.
    pub discovery: Document,
    /// The key set.
    pub key_set: Document,
}

/// What was seen of a document.
#[derive(Debug)]
pub struct Document {
    /// Where it was looked for.
    pub url: String,
    /// When, by the clock of this machine.
    pub at: UnixTime,
    /// From the first packet to the last byte.
    pub took: Duration,
    /// The certificates of the server; `None` over plain http, or where there was no handshake.
    pub chain: Option<PeerChain>,
    /// The answer, or why there is none.
    pub answer: Result<Answer, Missing>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// None that was whole in the time that a look may take.
    TimedOut,
    /// No connection, or it broke.
    NoAnswer(String),
    /// It was not asked for, because of this.
    NotAsked(String),
}

impl Document {
    /// One that was not asked for.
    pub(super) fn not_asked(url: &str, at: UnixTime, because: impl Into<String>) -> Self {
        let answer = Err(Missing::NotAsked(because.into()));
        Self { url: url.to_owned(), at, took: Duration::ZERO, chain: None, answer }
    }

    /// Its answer if it is one to be read: 200 and whole.
    #[must_use]
    pub fn whole(&self) -> Option<&Answer> {
        let whole = |answer: &&Answer| answer.status.as_u16() == 200 && !answer.cut_off;
        self.answer.as_ref().ok().filter(whole)
    }

    /// The JSON object it holds, if it holds one.
    #[must_use]
    pub fn object(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.whole()?.body).ok()
    }

    /// A header field of its answer as text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let value = self.answer.as_ref().ok()?.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}
