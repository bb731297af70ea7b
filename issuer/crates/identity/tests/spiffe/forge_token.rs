//! JWT-SVIDs made by hand, so that they can be wrong in exactly one way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::spiffe::{
    JwtSvidError, JwtSvidRules, SvidAlgorithm, TrustBundle, TrustBundles, VerifiedJwtSvid,
};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

use super::forge::{DOMAIN, NOW, domain, ec, fixture, jwt_entry, p256, with};

pub(crate) const ID: &str = "spiffe://example.org/app/web";
pub(crate) const AUDIENCE: &str = "spiffe://example.org/api";

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The signature of this algorithm, whatever the key says.
pub(crate) fn sign(key: &PKey<Private>, algorithm: &str, input: &[u8]) -> Vec<u8> {
    let digest = match algorithm.get(2..).unwrap() {
        "256" => MessageDigest::sha256(),
        "384" => MessageDigest::sha384(),
        _ => MessageDigest::sha512(),
    };
    if key.id() == Id::ED25519 {
        return Signer::new_without_digest(key).unwrap().sign_oneshot_to_vec(input).unwrap();
    }
    let mut signer = Signer::new(digest, key).unwrap();
    if algorithm.starts_with("PS") {
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
    }
    let signature = signer.sign_oneshot_to_vec(input).unwrap();
    if key.id() != Id::EC {
        return signature;
    }
    let width = i32::try_from(key.bits().div_ceil(8)).unwrap();
    let numbers = EcdsaSig::from_der(&signature).unwrap();
    [numbers.r(), numbers.s()].map(|number| number.to_vec_padded(width).unwrap()).concat()
}

/// A token of this header and these claims, as raw JSON text.
pub(crate) fn raw(key: &PKey<Private>, algorithm: &str, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(key, algorithm, input.as_bytes());
    format!("{input}.{}", encode(signature))
}

/// A trust domain with one key of each kind, under the kid of its name.
pub(crate) struct Issuer {
    pub(crate) keys: Vec<(&'static str, PKey<Private>)>,
    pub(crate) bundles: TrustBundles,
}

impl Default for Issuer {
    fn default() -> Self {
        let keys = vec![
            ("rsa", fixture("rsa-2048-a")),
            ("p256", p256()),
            ("p384", ec(Nid::SECP384R1)),
            ("p521", ec(Nid::SECP521R1)),
        ];
        let entries: Vec<_> = keys.iter().map(|(kid, key)| jwt_entry(key, kid)).collect();
        let bundles = [bundle(DOMAIN, &entries)].into_iter().collect();
        Self { keys, bundles }
    }
}

pub(crate) fn bundle(name: &str, entries: &[Value]) -> TrustBundle {
    TrustBundle::parse(domain(name), json!({ "keys": entries }).to_string().as_bytes()).unwrap()
}

impl Issuer {
    pub(crate) fn key(&self, kid: &str) -> &PKey<Private> {
        &self.keys.iter().find(|(name, _)| *name == kid).unwrap().1
    }

    pub(crate) fn kid_for(algorithm: &str) -> &'static str {
        match algorithm {
            "ES256" => "p256",
            "ES384" => "p384",
            "ES512" => "p521",
            _ => "rsa",
        }
    }

    /// A good token but for these members; `null` takes one away.
    pub(crate) fn token(&self, header: Value, claims: Value) -> String {
        let (header, claims) = (with(good_header(), header), with(good_claims(), claims));
        raw(self.key("p256"), "ES256", &header.to_string(), &claims.to_string())
    }

    pub(crate) fn verify(&self, token: &str) -> Result<VerifiedJwtSvid, JwtSvidError> {
        rules().verify(token, &self.bundles, NOW)
    }

    #[track_caller]
    pub(crate) fn refuses(&self, token: &str, why: &JwtSvidError) {
        let refused = self.verify(token).map(|svid| svid.id().clone());
        assert_eq!(refused, Err(why.clone()), "{token}");
    }
}

pub(crate) fn rules() -> JwtSvidRules {
    JwtSvidRules::for_audiences([AUDIENCE]).unwrap()
}

pub(crate) fn only(algorithm: SvidAlgorithm) -> JwtSvidRules {
    rules().with_algorithms(vec![algorithm]).unwrap()
}

pub(crate) fn good_header() -> Value {
    json!({"alg": "ES256", "kid": "p256", "typ": "JWT"})
}

pub(crate) fn good_claims() -> Value {
    json!({"sub": ID, "aud": [AUDIENCE], "exp": NOW.0 + 300, "iat": NOW.0})
}
