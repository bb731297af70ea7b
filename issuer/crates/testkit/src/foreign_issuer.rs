//! A trust domain of somebody else, as far as JWT-SVIDs go: a key, the documents that publish it, and tokens that can
//! be wrong in exactly one way. Everything is made by OpenSSL and by hand, so that no code under test makes what it
//! is to judge.

#![expect(clippy::missing_panics_doc, reason = "what cannot be made fails the test")]
#![expect(clippy::expect_used, reason = "what cannot be made fails the test")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use moneyer_identity::{KeyId, UnixTime};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Map, Value, json};

use crate::fixture_key::FixtureKey;

/// A trust domain with one key.
#[derive(Debug, Clone)]
pub struct ForeignIssuer {
    /// Its name.
    pub trust_domain: TrustDomain,
    /// What its key is called.
    pub key_id: String,
    key: PKey<Private>,
}

impl ForeignIssuer {
    /// One with a new P-256 key of this id, which signs by `ES256`.
    #[must_use]
    pub fn new(trust_domain: &str, key_id: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
        let key = EcKey::generate(&group).and_then(PKey::from_ec_key).expect("a P-256 key");
        Self::of(trust_domain, key_id, key)
    }

    /// One with an RSA key of the fixtures, which signs by `RS256`.
    #[must_use]
    pub fn rsa(trust_domain: &str, key_id: &str) -> Self {
        let key = PKey::private_key_from_pem(FixtureKey::RSA_2048_A.pem().as_bytes());
        Self::of(trust_domain, key_id, key.expect("an RSA key"))
    }

    fn of(trust_domain: &str, key_id: &str, key: PKey<Private>) -> Self {
        let trust_domain = TrustDomain::parse(trust_domain).expect("a trust domain");
        KeyId::parse(key_id).expect("a key id");
        Self { trust_domain, key_id: key_id.to_owned(), key }
    }

    /// Its public key as an ordinary issuer publishes it: a JSON Web Key for signatures.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let members = match self.key.rsa() {
            Ok(rsa) => {
                json!({"kty": "RSA", "n": encode(rsa.n().to_vec()), "e": encode(rsa.e().to_vec())})
            }
            Err(_) => self.point(),
        };
        with(members, json!({"use": "sig", "kid": self.key_id}))
    }

    fn point(&self) -> Value {
        let key = self.key.ec_key().expect("an EC key");
        let mut scratch = BigNumContext::new().expect("memory");
        let (mut x, mut y) = (BigNum::new().expect("memory"), BigNum::new().expect("memory"));
        let point = key.public_key();
        point.affine_coordinates(key.group(), &mut x, &mut y, &mut scratch).expect("a point");
        let text = |number: &BigNum| encode(number.to_vec_padded(32).expect("32 bytes"));
        json!({"kty": "EC", "crv": "P-256", "x": text(&x), "y": text(&y)})
    }

    /// The JWK Set of these.
    #[must_use]
    pub fn key_set(issuers: &[&Self]) -> String {
        let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk()).collect();
        json!({ "keys": keys }).to_string()
    }

    /// Its trust bundle.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle {
        let entry = with(self.jwk(), json!({"use": "jwt-svid"}));
        let document = json!({ "keys": [entry] }).to_string();
        let bundle = TrustBundle::parse(self.trust_domain.clone(), document.as_bytes());
        bundle.expect("a trust bundle")
    }

    /// A good JWT-SVID of the workload at this path for this audience, but for these members of the header and of
    /// the claims; `null` takes one away.
    #[must_use]
    pub fn jwt_svid(
        &self,
        (path, audience): (&str, &str),
        now: UnixTime,
        (header, claims): (Value, Value),
    ) -> String {
        let algorithm = if self.key.rsa().is_ok() { "RS256" } else { "ES256" };
        let good = json!({"alg": algorithm, "kid": self.key_id, "typ": "JWT"});
        let header = with(good, header);
        let good = json!({
            "sub": format!("spiffe://{}{path}", self.trust_domain), "aud": [audience],
            "iat": now.0, "exp": now.0 + 300,
        });
        let claims = with(good, claims);
        self.signed(&header.to_string(), &claims.to_string())
    }

    /// A token of exactly this header and these claims, whatever they are.
    #[must_use]
    pub fn signed(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).expect("a signer");
        let mut signature = signer.sign_oneshot_to_vec(input.as_bytes()).expect("a signature");
        if self.key.ec_key().is_ok() {
            let numbers = EcdsaSig::from_der(&signature).expect("two numbers");
            let padded = |number: &openssl::bn::BigNumRef| number.to_vec_padded(32);
            signature =
                [numbers.r(), numbers.s()].map(|number| padded(number).expect("32 bytes")).concat();
        }
        format!("{input}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same object with other members; `null` takes one away.
fn with(object: Value, members: Value) -> Value {
    let of = |value: Value| match value {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let mut object = of(object);
    for (name, value) in of(members) {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
    Value::Object(object)
}
