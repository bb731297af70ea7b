//! Validating a JWT-SVID for a sandbox (Workload API, section 6; JWT-SVID, section 4).
//!
//! The check is the one of [`moneyer_identity::spiffe`], with the bundle of the token's own trust domain.
//! Why a token is refused is for the log: whoever sends tokens to be validated learns nothing from it.

use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{JwtSvidError, JwtSvidRules, RuleError, TrustBundles};
use moneyer_proto::workload::ValidateJwtsvidResponse;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::{Map, Value as Json};

/// How far the clocks of two hosts that keep time may be apart.
const LEEWAY: Duration = Duration::from_secs(5);

/// Why an SVID is not valid.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValidationError {
    /// The audience is none.
    #[error("the audience to validate for is none")]
    Rules(#[source] RuleError),
    /// The SVID is refused.
    #[error("the JWT-SVID is not valid for this audience")]
    Svid(#[source] JwtSvidError),
}

/// Whose it is and what it claims, if it is valid for this audience now.
pub(super) fn validate(
    svid: &str,
    audience: &str,
    bundles: &TrustBundles,
    now: UnixTime,
) -> Result<ValidateJwtsvidResponse, ValidationError> {
    let rules = JwtSvidRules::for_audiences([audience]).and_then(|rules| rules.with_leeway(LEEWAY));
    let rules = rules.map_err(ValidationError::Rules)?;
    let verified = rules.verify(svid, bundles, now).map_err(ValidationError::Svid)?;
    let (spiffe_id, claims) = (verified.id().to_string(), Some(object(verified.claims())));
    Ok(ValidateJwtsvidResponse { spiffe_id, claims })
}

fn object(object: &Map<String, Json>) -> Struct {
    Struct { fields: object.iter().map(|(name, json)| (name.clone(), value(json))).collect() }
}

fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(bool) => Kind::BoolValue(*bool),
        // A `NumericDate` is far below 2^52: exact.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.iter().map(value).collect() })
        }
        Json::Object(fields) => Kind::StructValue(object(fields)),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::spiffe::{TrustBundle, TrustDomain};

    use super::*;
    use crate::fakes::bundles::{JWKS, jwt_svid};

    #[test]
    fn a_clock_may_be_five_seconds_off_and_no_more() {
        let domain = TrustDomain::parse("id.test").unwrap();
        let bundle = TrustBundle::parse(domain, JWKS.as_bytes()).unwrap();
        let bundles = TrustBundles::from_iter([bundle]);
        let claims = serde_json::json!({
            "sub": "spiffe://id.test/a", "aud": "b", "nbf": 1_000, "exp": 2_000,
        });
        let svid = jwt_svid(&claims);
        let is_valid = |now| validate(&svid, "b", &bundles, UnixTime(now)).is_ok();
        let valid: Vec<_> =
            [994, 995, 1_000, 2_004, 2_005].into_iter().filter(|now| is_valid(*now)).collect();
        assert_eq!(valid, [995, 1_000, 2_004]);
    }

    #[test]
    fn claims_of_every_kind_are_handed_on() {
        let json = serde_json::json!({
            "sub": "s", "exp": 1_800_000_000, "aud": ["a", "b"], "x": { "y": null, "z": true },
        });
        let claims = object(json.as_object().unwrap());
        let kind = |claims: &Struct, name: &str| claims.fields[name].kind.clone().unwrap();
        assert_eq!(kind(&claims, "sub"), Kind::StringValue("s".to_owned()));
        assert_eq!(kind(&claims, "exp"), Kind::NumberValue(1_800_000_000.0));
        let Kind::ListValue(audiences) = kind(&claims, "aud") else { panic!("no list") };
        assert_eq!(audiences.values.len(), 2);
        let Kind::StructValue(inner) = kind(&claims, "x") else { panic!("no object") };
        assert_eq!(kind(&inner, "y"), Kind::NullValue(0));
        assert_eq!(kind(&inner, "z"), Kind::BoolValue(true));
    }
}
