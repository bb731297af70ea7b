//! The tokens of withdrawn keys that relying parties may still take from a cached key set.
//!
//! They are found in the audit log, in one walk over its files. The list is a help and never the deed:
//! keys are withdrawn before it is made, so a log that cannot be read here, or whose older files were
//! moved away, costs the list and nothing else.

use std::path::Path;
use std::time::Duration;

use moneyer_audit::{Query, Records};
use moneyer_daemon::settings::Source;
use moneyer_identity::{Clock as _, KeyId, SystemClock, UnixTime};
use serde::Serialize;

use crate::cli::audit::{Found, number, text};
use crate::cli::failure::Failure;
use crate::cli::output::{Column, time};
use crate::config::Config;

/// A token that may still be alive.
#[derive(Debug, Serialize)]
pub(super) struct LivingToken {
    jti: String,
    /// The sandbox or system workload it was minted for, or the SPIFFE ID of who logged in.
    holder: String,
    kid: String,
    exp: UnixTime,
}

pub(super) const COLUMNS: &[Column<LivingToken>] = &[
    ("TOKEN", |token| token.jti.clone()),
    ("HOLDER", |token| token.holder.clone()),
    ("KEY", |token| token.kid.clone()),
    ("EXPIRES", |token| time(token.exp)),
];

/// What an audit log knows of living tokens.
#[derive(Debug, Serialize)]
pub(super) struct LivingTokens {
    pub(super) living_tokens: Vec<LivingToken>,
    /// The time of the first record, where older ones that may tell of living tokens are not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) complete_since: Option<UnixTime>,
}

/// The living tokens that were signed with these keys, by the audit log of this configuration.
pub(super) fn living_tokens(config: &Path, key_ids: &[&KeyId]) -> Result<LivingTokens, Failure> {
    let (config, _) = Config::load(&Source::read(config, "MONEYER")?)?;
    let now = SystemClock.now();
    let oldest = now.minus(Duration::from_secs(config.tokens.maximum_lifetime.as_secs()));
    let (any, minted) = (Query::default(), minted());
    let mut found = LivingTokens { living_tokens: Vec::new(), complete_since: None };
    let records = Records::of(&config.audit.path);
    let records = records.map_err(|error| Failure::new(crate::chain(&error)))?;
    for (place, record) in records.enumerate() {
        let record = record.map_err(|error| Failure::damaged(&error))?;
        if place == 0
            && let Some(first) = any.find(&record)
        {
            let at = UnixTime(number(&first, "time"));
            found.complete_since = (number(&first, "seq") > 1 && at > oldest).then_some(at);
        }
        let Some(record) = minted.find(&record) else { continue };
        found.living_tokens.extend(living(&record, key_ids, now));
    }
    Ok(found)
}

fn minted() -> Query {
    Query { fields: vec![("event", "token_minted".to_owned())], ..Query::default() }
}

fn living(record: &Found, key_ids: &[&KeyId], now: UnixTime) -> Option<LivingToken> {
    let (kid, exp) = (text(record, "kid"), UnixTime(number(record, "exp")));
    let is_of_these = key_ids.iter().any(|key_id| key_id.as_str() == kid);
    if !is_of_these || exp <= now {
        return None;
    }
    let [sandbox, system, who] =
        ["sandbox", "system_workload", "who"].map(|name| text(record, name));
    let login = who.strip_prefix("workload:").unwrap_or_default();
    let holder = [sandbox, system, login].into_iter().find(|name| !name.is_empty()).unwrap_or("-");
    let (jti, holder, kid) = (text(record, "jti").to_owned(), holder.to_owned(), kid.to_owned());
    Some(LivingToken { jti, holder, kid, exp })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_the_name_of_its_holder() {
        let key_id = KeyId::parse("key-1").unwrap();
        for (fields, holder) in [
            (serde_json::json!({"who": "runner:one", "sandbox": "web-1"}), "web-1"),
            (serde_json::json!({"who": "runner:one", "system_workload": "telemetry"}), "telemetry"),
            (serde_json::json!({"who": "workload:spiffe://ci.example/x"}), "spiffe://ci.example/x"),
            (serde_json::json!({"who": "operator:uid:0", "sandbox": "web-1"}), "web-1"),
        ] {
            let mut record: Found = serde_json::from_value(fields).unwrap();
            record.extend([("kid".to_owned(), "key-1".into()), ("exp".to_owned(), 11.into())]);
            let living_now = |now| living(&record, &[&key_id], UnixTime(now));
            assert_eq!(living_now(10).unwrap().holder, holder);
            assert!(living_now(11).is_none());
        }
    }
}
