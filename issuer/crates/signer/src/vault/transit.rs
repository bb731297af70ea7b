//! The transit engine: its keys and their versions, and what is signed with one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use moneyer_authority::signer::KeyKind;
use moneyer_identity::{Algorithm, VerifyingKey};
use serde_json::{Value, json};

use super::answer::{Signed, TransitKey, data};
use super::client::Client;
use super::error::{VaultError, said};
use super::names::VaultPath;
use crate::import::ImportedPublicKey;

/// One version of a transit key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyVersion {
    pub(super) name: String,
    pub(super) version: u32,
}

impl KeyVersion {
    /// Reads `NAME@VERSION`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('@')?;
        name.parse::<VaultPath>().ok()?;
        let version = version.parse().ok().filter(|version| *version > 0)?;
        Some(Self { name: name.to_owned(), version })
    }

    /// As [`parse`](Self::parse) reads it.
    pub(super) fn to_text(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What is known of a transit key.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its newest version.
    pub(super) latest: u32,
    /// The public half of that.
    pub(super) public: VerifyingKey,
    /// Versions below sign no more; 0: all do.
    pub(super) minimum: u32,
    /// The versions that are there.
    pub(super) versions: Vec<u32>,
}

/// Vault's name for what a kind of key is made of.
pub(super) fn type_of(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Rsa2048 => "rsa-2048",
        KeyKind::Rsa3072 => "rsa-3072",
        KeyKind::Rsa4096 => "rsa-4096",
        KeyKind::P256 => "ecdsa-p256",
    }
}

/// The transit engine at one mount.
#[derive(Debug)]
pub(super) struct Transit {
    pub(super) client: Arc<Client>,
    pub(super) mount: VaultPath,
}

impl Transit {
    /// What a key is like now.
    pub(super) async fn known(&self, name: &str) -> Result<(Known, String), VaultError> {
        let answer = self.client.read(&format!("{}/keys/{name}", self.mount)).await;
        self.understood(name, answer)
    }

    /// The same, where it may be that the policy does not allow it.
    pub(super) async fn looked_at(&self, name: &str) -> Result<(Known, String), VaultError> {
        let answer = self.client.look(&format!("{}/keys/{name}", self.mount)).await;
        self.understood(name, answer)
    }

    fn understood(
        &self,
        name: &str,
        answer: Result<Bytes, VaultError>,
    ) -> Result<(Known, String), VaultError> {
        let key = match answer {
            Err(VaultError::Refused { status, .. }) if status == http::StatusCode::NOT_FOUND => {
                return Err(VaultError::NoKey(format!("{}/keys/{name}", self.mount)));
            }
            answer => data::<TransitKey>(&answer?)?,
        };
        let latest = key.latest_version;
        let version = key.keys.get(&latest);
        let missing = VaultError::NoVersion { name: name.to_owned(), version: latest };
        let public = public_half(&key.kind, &version.ok_or(missing)?.public_key)?;
        let versions = key.keys.into_keys().collect();
        Ok((Known { latest, public, minimum: key.min_encryption_version, versions }, key.kind))
    }

    /// Makes a key that cannot be taken out of Vault; one that is there already stays.
    pub(super) async fn create(&self, name: &str, kind: &str) -> Result<(), VaultError> {
        let asked = json!({"type": kind, "exportable": false, "allow_plaintext_backup": false});
        self.client.write(&format!("{}/keys/{name}", self.mount), &asked).await.map(drop)
    }

    /// Makes another version of a key.
    pub(super) async fn rotate(&self, name: &str) -> Result<(), VaultError> {
        let path = format!("{}/keys/{name}/rotate", self.mount);
        self.client.write(&path, &json!({})).await.map(drop)
    }

    /// Signs messages with one version, in one call, and answers in their order.
    pub(super) async fn sign(
        &self,
        key: &KeyVersion,
        algorithm: Algorithm,
        messages: &[&[u8]],
    ) -> Result<Vec<Result<Vec<u8>, VaultError>>, VaultError> {
        let asked = request(key.version, algorithm, messages);
        let answer = self.client.write(&path(&self.mount, &key.name, algorithm), &asked).await;
        let signed: Signed = data(&answer.map_err(|error| named(error, key))?)?;
        let read = |signature: Option<String>| {
            let absent = VaultError::Answer("a signature is missing");
            signature_of(&signature.ok_or(absent)?, key.version)
        };
        if let [_] = messages {
            return Ok(vec![read(signed.signature)]);
        }
        let items = signed.batch_results.unwrap_or_default();
        if items.len() != messages.len() {
            return Err(VaultError::Answer("a batch has another number of signatures"));
        }
        let read = |item: super::answer::BatchItem| match item.error {
            Some(error) => {
                let status = http::StatusCode::BAD_REQUEST;
                Err(named(VaultError::Refused { status, text: said(&[error]) }, key))
            }
            None => read(item.signature),
        };
        Ok(items.into_iter().map(read).collect())
    }
}

fn path(mount: &VaultPath, name: &str, algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::RS256 | Algorithm::ES256 => format!("{mount}/sign/{name}/sha2-256"),
        Algorithm::EdDsa => format!("{mount}/sign/{name}"),
    }
}

/// Says everything: without a scheme RSA is PSS, and an empty input is signed.
fn request(version: u32, algorithm: Algorithm, messages: &[&[u8]]) -> Value {
    let input = |message: &&[u8]| json!({"input": STANDARD.encode(message)});
    let mut asked = match messages {
        [one] => input(one),
        several => json!({"batch_input": several.iter().map(input).collect::<Vec<_>>()}),
    };
    let mut say = |name: &str, value: Value| {
        if let Value::Object(members) = &mut asked {
            members.insert(name.to_owned(), value);
        }
    };
    say("key_version", version.into());
    say("prehashed", false.into());
    say("marshaling_algorithm", "jws".into());
    if algorithm == Algorithm::RS256 {
        say("signature_algorithm", "pkcs1v15".into());
    }
    asked
}

/// The bytes of `vault:vN:SIGNATURE`, if it is of this version.
fn signature_of(text: &str, asked: u32) -> Result<Vec<u8>, VaultError> {
    let malformed = || VaultError::Answer("a signature is not written as vault:vN:…");
    let (version, signature) =
        text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':')).ok_or_else(malformed)?;
    let found = version.parse().map_err(|_not_a_number| malformed())?;
    if found != asked {
        return Err(VaultError::Version { asked, found });
    }
    // Ed25519 signatures come in the base64 of everything else, whatever marshaling is asked for.
    URL_SAFE_NO_PAD
        .decode(signature)
        .or_else(|_standard| STANDARD.decode(signature))
        .map_err(|_not_base64| malformed())
}

/// A refusal that is about the version, by what it means for Moneyer.
fn named(error: VaultError, key: &KeyVersion) -> VaultError {
    let VaultError::Refused { text, .. } = &error else { return error };
    let (name, version) = (key.name.clone(), key.version);
    if text.contains("encryption key not found") {
        return VaultError::NoKey(name);
    }
    if text.contains("less than the minimum") || text.contains("disallowed by policy") {
        return VaultError::BelowMinimum { name, version };
    }
    if text.contains("higher than the latest") || text.contains("version not found") {
        return VaultError::NoVersion { name, version };
    }
    error
}

/// The public half of a version: PEM, but for Ed25519, which is bare base64.
fn public_half(kind: &str, text: &str) -> Result<VerifyingKey, VaultError> {
    if kind == "ed25519" {
        let bytes = STANDARD.decode(text.trim());
        let bytes = bytes.map_err(|error| VaultError::Public(error.into()))?;
        return VerifyingKey::ed25519(&bytes).map_err(|error| VaultError::Public(error.into()));
    }
    let key = ImportedPublicKey::parse(text.as_bytes());
    let key = key.map_err(|error| VaultError::Public(error.into()))?;
    Ok(key.verifying_key().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_another_version_is_none() {
        assert_eq!(signature_of("vault:v3:AAEC", 3).unwrap(), [0, 1, 2]);
        assert_eq!(signature_of("vault:v3:_-8", 3).unwrap(), [0xff, 0xef]);
        assert_eq!(signature_of("vault:v3:/+8=", 3).unwrap(), [0xff, 0xef]);
        let other = signature_of("vault:v4:AAEC", 3);
        assert!(matches!(other, Err(VaultError::Version { asked: 3, found: 4 })));
        for bad in ["", "AAEC", "vault:v3", "vault:vx:AAEC", "vault:v3:*", "vault:v-3:AAEC"] {
            assert!(matches!(signature_of(bad, 3), Err(VaultError::Answer(_))), "{bad}");
        }
    }

    #[test]
    fn a_version_is_written_as_it_is_read() {
        let key = KeyVersion { name: "moneyer-rsa-2048".to_owned(), version: 12 };
        assert_eq!(KeyVersion::parse(&key.to_text()), Some(key));
        for bad in ["", "a", "a@", "@1", "a@0", "a@x", "a@-1", "../a@1", "a@4294967296"] {
            assert_eq!(KeyVersion::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_leaves_nothing_to_vault() {
        let one = request(7, Algorithm::RS256, &[b"abc"]);
        let expected = serde_json::json!({
            "input": "YWJj", "key_version": 7, "prehashed": false,
            "marshaling_algorithm": "jws", "signature_algorithm": "pkcs1v15",
        });
        assert_eq!(one, expected);
        let several = request(7, Algorithm::ES256, &[b"a", b"b"]);
        assert_eq!(several["batch_input"][1]["input"], "Yg==");
        assert!(several.get("signature_algorithm").is_none());
    }
}
