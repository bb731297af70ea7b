//! The model's transit keys: versions, and what each signs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Map, Value, json};

use super::{Answer, ModelFault, errors};

/// A transit key.
#[derive(Debug)]
pub(super) struct ModelKey {
    kind: String,
    versions: Vec<PKey<Private>>,
    pub(super) min_encryption_version: u32,
    pub(super) min_decryption_version: u32,
}

impl ModelKey {
    /// One of a type that the model has.
    pub(super) fn new(kind: &str) -> Option<Self> {
        let versions = vec![make(kind)?];
        let kind = kind.to_owned();
        Some(Self { kind, versions, min_encryption_version: 0, min_decryption_version: 1 })
    }

    pub(super) fn rotate(&mut self) {
        self.versions.extend(make(&self.kind));
    }

    pub(super) fn latest(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn describe(&self, name: &str) -> Value {
        let mut keys = Map::new();
        for (version, key) in (1..).zip(&self.versions) {
            if version >= self.min_decryption_version {
                let described = json!({
                    "creation_time": "2026-11-28T00:00:00Z", "name": self.kind,
                    "public_key": public_half(key),
                });
                keys.insert(version.to_string(), described);
            }
        }
        json!({
            "name": name, "type": self.kind, "keys": keys, "latest_version": self.latest(),
            "min_available_version": 0, "min_decryption_version": self.min_decryption_version,
            "min_encryption_version": self.min_encryption_version, "supports_signing": true,
        })
    }

    pub(super) fn sign(
        &self,
        hash: Option<&str>,
        body: &Value,
        fault: Option<ModelFault>,
    ) -> Answer {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let hash = hash.or_else(|| text("hash_algorithm")).unwrap_or("sha2-256");
        if hash != "sha2-256" {
            return (400, errors(&format!("invalid hash algorithm {hash:?}")));
        }
        let marshaling = text("marshaling_algorithm").unwrap_or("asn1");
        if !["asn1", "jws"].contains(&marshaling) {
            return (400, errors(&format!("invalid marshaling type {marshaling:?}")));
        }
        let scheme = text("signature_algorithm").unwrap_or("pss");
        if self.kind.starts_with("rsa") && !["pss", "pkcs1v15"].contains(&scheme) {
            let text =
                format!("1 error occurred:\n\t* unsupported rsa signature algorithm {scheme}\n\n");
            return (500, errors(&text));
        }
        let asked = body.get("key_version").and_then(Value::as_u64).unwrap_or(0);
        let form = Form { jws: marshaling == "jws", pss: scheme == "pss" };
        let Some(batch) = body.get("batch_input").and_then(Value::as_array) else {
            return match self.one(body, asked, form, fault) {
                Ok(signed) => (200, json!({"data": signed})),
                Err((status, error)) => (status, errors(&error)),
            };
        };
        let item = |item: &Value| match self.one(item, asked, form, fault) {
            Ok(signed) => signed,
            Err((_, error)) => json!({"key_version": 0, "error": error}),
        };
        (200, json!({"data": {"batch_results": batch.iter().map(item).collect::<Vec<_>>()}}))
    }

    fn one(
        &self,
        item: &Value,
        asked: u64,
        form: Form,
        fault: Option<ModelFault>,
    ) -> Result<Value, (u16, String)> {
        let refused = |text: &str| (500, format!("1 error occurred:\n\t* {text}\n\n"));
        let latest = u64::from(self.latest());
        let version = if asked == 0 { latest } else { asked };
        if version > latest {
            let text = "requested version for signing is higher than the latest key version";
            return Err(refused(text));
        }
        if version < u64::from(self.min_encryption_version.max(self.min_decryption_version)) {
            let text =
                "requested version for signing is less than the minimum encryption key version";
            return Err(refused(text));
        }
        // Without one the empty input is signed, as in Vault.
        let input = item.get("input").and_then(Value::as_str).unwrap_or_default();
        let input = STANDARD.decode(input).map_err(|_not_base64| {
            let text = "unable to decode input as base64: illegal base64 data at input byte 0";
            (400, text.to_owned())
        })?;
        let (signs, says) = match fault {
            Some(ModelFault::LatestVersion) => (latest, latest),
            Some(ModelFault::LyingVersion) => (latest, version),
            _ => (version, version),
        };
        let key = usize::try_from(signs).ok().and_then(|at| self.versions.get(at - 1));
        let key = key.ok_or_else(|| refused("no such version"))?;
        let mut signature = form.sign(key, &input);
        if fault == Some(ModelFault::BadSignature) {
            let last = signature.last_mut().expect("a signature has bytes");
            *last ^= 1;
        }
        let text =
            if form.jws { URL_SAFE_NO_PAD.encode(signature) } else { STANDARD.encode(signature) };
        Ok(json!({"key_version": says, "signature": format!("vault:v{says}:{text}")}))
    }
}

/// In which form a signature is wanted.
#[derive(Debug, Clone, Copy)]
struct Form {
    jws: bool,
    pss: bool,
}

impl Form {
    fn sign(self, key: &PKey<Private>, input: &[u8]) -> Vec<u8> {
        match key.id() {
            Id::ED25519 => {
                let mut signer = Signer::new_without_digest(key).expect("Ed25519");
                signer.sign_oneshot_to_vec(input).expect("a signature")
            }
            Id::EC => {
                let der = signer(key).sign_oneshot_to_vec(input).expect("a signature");
                if self.jws { numbers(&der) } else { der }
            }
            _ => {
                let mut signer = signer(key);
                if self.pss {
                    signer.set_rsa_padding(Padding::PKCS1_PSS).expect("PSS");
                    signer.set_rsa_pss_saltlen(RsaPssSaltlen::MAXIMUM_LENGTH).expect("PSS");
                }
                signer.sign_oneshot_to_vec(input).expect("a signature")
            }
        }
    }
}

fn signer(key: &PKey<Private>) -> Signer<'_> {
    Signer::new(MessageDigest::sha256(), key).expect("SHA-256")
}

fn numbers(der: &[u8]) -> Vec<u8> {
    let signature = EcdsaSig::from_der(der).expect("a signature");
    let number = |number: &openssl::bn::BigNumRef| number.to_vec_padded(32).expect("32 bytes");
    [number(signature.r()), number(signature.s())].concat()
}

fn make(kind: &str) -> Option<PKey<Private>> {
    let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).expect("an RSA key")).expect("a key");
    match kind {
        "rsa-2048" => Some(rsa(2048)),
        "rsa-3072" => Some(rsa(3072)),
        "rsa-4096" => Some(rsa(4096)),
        "ecdsa-p256" => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
            let key = EcKey::generate(&group).expect("a P-256 key");
            Some(PKey::from_ec_key(key).expect("a key"))
        }
        "ed25519" => Some(PKey::generate_ed25519().expect("an Ed25519 key")),
        _ => None,
    }
}

/// PEM, but for Ed25519, which is bare base64.
fn public_half(key: &PKey<Private>) -> String {
    if key.id() == Id::ED25519 {
        return STANDARD.encode(key.raw_public_key().expect("32 bytes"));
    }
    String::from_utf8(key.public_key_to_pem().expect("PEM")).expect("text")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response};

    use super::*;
    use crate::vault_model::VaultTransitModel;

    fn ask(model: &VaultTransitModel, token: &str, path: &str, body: Option<Value>) -> Answer {
        let method = if body.is_some() { "POST" } else { "GET" };
        let request = Request::builder().method(method).uri(format!("/v1/{path}"));
        let body = body.map_or(Bytes::new(), |body| body.to_string().into());
        let request = request.header("x-vault-token", token).body(body).unwrap();
        let answer: Response<Bytes> = model.answer(&request);
        let value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), value)
    }

    // The table that was observed, row by row.
    #[tokio::test]
    async fn it_answers_as_vault_was_seen_to() {
        let model = VaultTransitModel::default();
        model.accept_token("root");
        model.accept_token_for("signs", &["sign/"]);
        let ask = |token, path, body| ask(&model, token, path, body);
        let post = |path, body: Value| ask("root", path, Some(body));
        assert_eq!(post("transit/keys/iss", json!({"type": "rsa-2048"})).0, 204);
        let (_, first) = ask("root", "transit/keys/iss", None);
        assert_eq!(post("transit/keys/iss", json!({"type": "rsa-2048"})).0, 204);
        assert_eq!(ask("root", "transit/keys/iss", None).1, first, "the key is kept");
        let good = json!({"input": "YWJj", "signature_algorithm": "pkcs1v15"});
        let (status, signed) = post("transit/sign/iss/sha2-256", good.clone());
        assert_eq!((status, &signed["data"]["key_version"]), (200, &json!(1)));
        assert!(signed["data"]["signature"].as_str().unwrap().starts_with("vault:v1:"));
        let pss = post("transit/sign/iss/sha2-256", json!({"input": "YWJj"})).1;
        assert_ne!(pss["data"]["signature"], signed["data"]["signature"], "no error says so");
        assert_eq!(post("transit/sign/iss", json!({})).0, 200, "the empty input is signed");
        let text = |answer: &Answer| answer.1["errors"][0].as_str().unwrap_or_default().to_owned();
        let missing = post("transit/sign/none/sha2-256", good.clone());
        assert_eq!((missing.0, text(&missing).as_str()), (400, "encryption key not found"));
        assert_eq!(ask("root", "transit/keys/none", None).0, 404);
        assert_eq!(ask("root", "other/keys/iss", None).0, 404);
        assert_eq!(post("transit/sign/iss/sha9", good.clone()).0, 400);
        let ahead = json!({"input": "YWJj", "key_version": 2});
        assert_eq!(post("transit/sign/iss", ahead.clone()).0, 500);
        assert_eq!(post("transit/keys/iss/rotate", json!({})).0, 204);
        assert_eq!(post("transit/sign/iss", ahead).0, 200);
        let batch = json!({"batch_input": [{"input": "YWJj"}, {"input": "*"}]});
        let (status, batch) = post("transit/sign/iss", batch);
        assert_eq!((status, &batch["data"]["batch_results"][1]["key_version"]), (200, &json!(0)));
        model.set_min_encryption_version("iss", 2);
        let old = post("transit/sign/iss", json!({"input": "YWJj", "key_version": 1}));
        assert!(old.0 == 500 && text(&old).contains("less than the minimum"), "{old:?}");
        model.set_min_decryption_version("iss", 2);
        let (_, key) = ask("root", "transit/keys/iss", None);
        assert!(key["data"]["keys"].get("1").is_none());
        let denied = ask("signs", "transit/keys/iss/rotate", Some(json!({})));
        assert!(denied.0 == 403 && text(&denied).starts_with("1 error occurred"));
        assert_eq!(ask("other", "transit/keys/iss", None).0, 403);
        model.accept_login("kubernetes", json!({"role": "m"}), Duration::from_secs(60));
        assert_eq!(ask("", "auth/kubernetes/login", Some(json!({"role": "m"}))).0, 200);
        assert_eq!(ask("", "auth/kubernetes/login", Some(json!({"role": "n"}))).0, 403);
        model.fail(Some(ModelFault::Sealed));
        assert_eq!(ask("root", "transit/keys/iss", None).0, 503);
    }
}
