//! What an ACME server checks of a request before it reads it (RFC 8555 section 6).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A request whose signature is that of the key in it, or of the account it names.
pub(super) struct Signed {
    /// The protected header.
    pub(super) header: Value,
    /// The body; `None` where something is only asked for (POST-as-GET).
    pub(super) payload: Option<Value>,
    text: String,
    signature: Vec<u8>,
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

impl Signed {
    /// A flattened JWS (RFC 7515 section 7.2.2).
    pub(super) fn parse(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap();
        let (header, payload) = (member(&body, "protected"), member(&body, "payload"));
        let read = |text| serde_json::from_slice(&decode(text)).unwrap();
        Self {
            header: read(header),
            payload: (!payload.is_empty()).then(|| read(payload)),
            text: format!("{header}.{payload}"),
            signature: decode(member(&body, "signature")),
        }
    }

    /// Whether it is signed by this key.
    pub(super) fn is_signed_by(&self, jwk: &Value) -> bool {
        let point = [vec![4], decode(member(jwk, "x")), decode(member(jwk, "y"))].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        self.header["alg"] == "ES256" && key.verify(self.text.as_bytes(), &self.signature).is_ok()
    }
}

/// What the answer to a challenge begins to be made of (RFC 8555 section 8.1).
pub(super) fn key_authorization(token: &str, jwk: &Value) -> String {
    let of = json!({ "crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"] });
    // RFC 7638: the members in this order, which is that of the letters.
    let thumbprint = digest(&SHA256, of.to_string().as_bytes());
    format!("{token}.{}", URL_SAFE_NO_PAD.encode(thumbprint))
}
