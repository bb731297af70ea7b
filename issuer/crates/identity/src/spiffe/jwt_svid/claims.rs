//! The claims a JWT-SVID must have (JWT-SVID section 3).

use std::time::Duration;

use serde_json::{Map, Value};

use super::rules::JwtSvidError;
use crate::clock::UnixTime;
use crate::spiffe::SpiffeId;
use crate::token::{LATEST, MAXIMUM_AUDIENCES};

/// Longest audience in bytes that is taken from a token: as long as a SPIFFE ID, which it may be.
const MAXIMUM_AUDIENCE_BYTES: usize = 2048;

/// The workload's id. The trust domain's own names no workload.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<SpiffeId, JwtSvidError> {
    let text = claims.get("sub").and_then(Value::as_str).ok_or(JwtSvidError::NoSubject)?;
    let id = SpiffeId::parse(text).map_err(JwtSvidError::Subject)?;
    if id.segments().next().is_none() { Err(JwtSvidError::NoWorkload) } else { Ok(id) }
}

/// `exp`, after it was found to lie ahead, and `nbf` behind.
pub(crate) fn times(
    claims: &Map<String, Value>,
    leeway: Duration,
    now: UnixTime,
) -> Result<UnixTime, JwtSvidError> {
    let expires_at = time(claims, "exp")?.ok_or(JwtSvidError::Time)?.earliest;
    if expires_at.plus(leeway) <= now {
        return Err(JwtSvidError::Expired);
    }
    if time(claims, "nbf")?.is_some_and(|start| start.latest > now.plus(leeway)) {
        return Err(JwtSvidError::NotYetValid);
    }
    time(claims, "iat")?;
    Ok(expires_at)
}

/// A `NumericDate` (RFC 7519 section 2) between two whole seconds, which some issuers write.
struct Seconds {
    earliest: UnixTime,
    latest: UnixTime,
}

fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Seconds>, JwtSvidError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let (earliest, latest) = match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => (whole, whole),
        #[expect(clippy::cast_possible_truncation, reason = "out of range is refused below")]
        (None, Some(number)) => (number.floor() as i64, number.ceil() as i64),
        _ => return Err(JwtSvidError::Time),
    };
    let range = 0..LATEST;
    if !range.contains(&earliest) || !range.contains(&latest) {
        return Err(JwtSvidError::Time);
    }
    Ok(Some(Seconds { earliest: UnixTime(earliest), latest: UnixTime(latest) }))
}

/// The audiences, at least one. One text or several are the same; an empty text is none.
pub(crate) fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, JwtSvidError> {
    let several = match claims.get("aud") {
        None => &[],
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if several.len() > MAXIMUM_AUDIENCES {
        return Err(JwtSvidError::Audiences);
    }
    let text = |value: &Value| match value.as_str() {
        Some(text) if text.len() <= MAXIMUM_AUDIENCE_BYTES => Ok(text.to_owned()),
        _ => Err(JwtSvidError::Audiences),
    };
    let mut audiences = several.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    audiences.retain(|audience| !audience.is_empty());
    if audiences.is_empty() { Err(JwtSvidError::NoAudience) } else { Ok(audiences) }
}
