//! `[signer]`: who keeps the private keys of tokens.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use moneyer_daemon::outbound::OutboundUrl;
use moneyer_daemon::settings::Span;
use moneyer_signer::pkcs11::TokenChoice;
use moneyer_signer::vault::{NameError, PathSegments, VaultLogin, VaultPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shortest time a signature elsewhere may take: less would refuse what a healthy network carries.
const MINIMUM_TIMEOUT: Span = Span::from_millis(100);

/// Longest: a caller gives up before.
const MAXIMUM_TIMEOUT: Span = Span::from_secs(10);

/// Shortest time between two looks at Vault's keys: shorter is a loop without a pause.
const MINIMUM_REFRESH: Span = Span::from_secs(1);

/// Who makes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignerBackend {
    /// The coordinator itself; they are sealed in its store.
    Local,
    /// Vault's transit engine.
    Vault,
    /// A hardware security module, through its PKCS#11 library.
    Pkcs11,
}

/// Who keeps the private keys of tokens. A key is signed with by the one that made it: whatever is configured
/// here opens its keys, and `backend` makes the next ones, so that a cluster moves by an ordinary rotation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignerSection {
    /// Who makes the keys from now on: `local`, `vault` or `pkcs11`. Default: `local`.
    pub backend: SignerBackend,
    /// The transit engine of HashiCorp Vault or OpenBao. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultSection>,
    /// A hardware security module. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs11: Option<Pkcs11Section>,
}

impl Default for SignerSection {
    fn default() -> Self {
        Self { backend: SignerBackend::Local, vault: None, pkcs11: None }
    }
}

/// The transit engine of HashiCorp Vault or OpenBao, and how Moneyer logs in: exactly one of `kubernetes`,
/// `approle` and `token_file`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultSection {
    /// Where Vault is, such as `https://vault.example.com:8200`. Required.
    pub address: OutboundUrl,
    /// Where the transit engine is mounted. Default: `transit`.
    #[serde(default = "transit")]
    pub mount: String,
    /// The namespace, where Vault has them. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What the names of Moneyer's transit keys begin with: `moneyer-rsa-2048`, `moneyer-ecdsa-p256`. A
    /// prefix for each cluster. Default: `moneyer`.
    #[serde(default = "moneyer")]
    pub key_prefix: String,
    /// A PEM file with roots that are trusted beside the system's. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a signature may take, all waiting included; then the token is refused. From `100ms` to `10s`.
    /// Default: `2s`.
    #[serde(default = "two_seconds")]
    pub timeout: Span,
    /// Requests for signatures that are under way at most; others wait, `limits.signer_queue` of them.
    /// Default: 64.
    #[serde(default = "sixty_four")]
    pub concurrency: NonZeroUsize,
    /// How often it is looked whether somebody has rotated the keys in Vault. Default: `30s`.
    #[serde(default = "thirty_seconds")]
    pub refresh_every: Span,
    /// Log in as the Kubernetes service account that the coordinator runs as. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetesSection>,
    /// Log in by an `AppRole`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approle: Option<VaultAppRoleSection>,
    /// A file with a token that somebody else keeps, such as Vault's agent. It is read again whenever the
    /// token is refused, and when it changes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

/// Log in as a Kubernetes service account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultKubernetesSection {
    /// Where the method is mounted, under `auth/`. Default: `kubernetes`.
    #[serde(default = "kubernetes")]
    pub mount: String,
    /// The role to log in with. Required.
    pub role: String,
    /// The service account's token, read at every log-in.
    /// Default: `/var/run/secrets/kubernetes.io/serviceaccount/token`.
    #[serde(default = "service_account_token")]
    pub jwt_file: PathBuf,
}

/// Log in by an `AppRole`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultAppRoleSection {
    /// Where the method is mounted, under `auth/`. Default: `approle`.
    #[serde(default = "approle")]
    pub mount: String,
    /// The role's id. Required.
    pub role_id: String,
    /// A file with the secret id, read at every log-in. Required.
    pub secret_id_file: PathBuf,
}

/// A hardware security module: its library, its token by exactly one of `token_label` and `slot`, and the PIN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Section {
    /// The PKCS#11 library, such as `/usr/lib/softhsm/libsofthsm2.so`. Required.
    pub module: PathBuf,
    /// The token's label. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_label: Option<String>,
    /// The slot that the token is in. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// A file with the user's PIN. A PIN that was refused is not tried again before the file holds another.
    /// Required.
    pub pin_file: PathBuf,
    /// How long a signature may take, all waiting included; then the token is refused. From `100ms` to `10s`.
    /// Default: `2s`.
    #[serde(default = "two_seconds")]
    pub timeout: Span,
    /// Threads that sign, each with a session of its own; what waits for them is bounded by
    /// `limits.signer_queue`. Default: 4.
    #[serde(default = "four")]
    pub threads: NonZeroUsize,
}

impl SignerSection {
    /// Says what is wrong with the sections.
    pub(super) fn check(&self, wrong: &mut impl FnMut(&str, String)) {
        let lacks = match self.backend {
            SignerBackend::Vault if self.vault.is_none() => Some("[signer.vault]"),
            SignerBackend::Pkcs11 if self.pkcs11.is_none() => Some("[signer.pkcs11]"),
            _ => None,
        };
        if let Some(section) = lacks {
            wrong("signer.backend", format!("needs the section {section}"));
        }
        if let Some(vault) = &self.vault {
            vault.check(wrong);
        }
        if let Some(pkcs11) = &self.pkcs11 {
            check_timeout("signer.pkcs11.timeout", pkcs11.timeout, wrong);
            if pkcs11.token_label.is_some() == pkcs11.slot.is_some() {
                wrong("signer.pkcs11", "needs exactly one of token_label and slot".to_owned());
            }
        }
    }
}

impl VaultSection {
    fn check(&self, wrong: &mut impl FnMut(&str, String)) {
        check_timeout("signer.vault.timeout", self.timeout, wrong);
        if !self.address.is_plain() {
            let message = "must have no query and no fragment: paths are appended to it";
            wrong("signer.vault.address", message.to_owned());
        }
        if self.refresh_every < MINIMUM_REFRESH {
            wrong("signer.vault.refresh_every", format!("must be at least {MINIMUM_REFRESH}"));
        }
        for (key, parsed) in [
            ("mount", self.mount().map(drop)),
            ("namespace", self.namespace().map(drop)),
            ("key_prefix", self.key_prefix().map(drop)),
        ] {
            if let Err(error) = parsed {
                wrong(&format!("signer.vault.{key}"), error.to_string());
            }
        }
        if let Err(message) = self.login() {
            wrong("signer.vault", message);
        }
    }

    pub(crate) fn mount(&self) -> Result<VaultPath, NameError> {
        self.mount.parse()
    }

    pub(crate) fn namespace(&self) -> Result<Option<VaultPath>, NameError> {
        self.namespace.as_deref().map(str::parse).transpose()
    }

    pub(crate) fn key_prefix(&self) -> Result<VaultPath, NameError> {
        VaultPath::parse(&self.key_prefix, PathSegments::One)
    }

    /// How Moneyer logs in, if that is said once.
    pub(crate) fn login(&self) -> Result<VaultLogin, String> {
        let mount = |text: &str| {
            text.parse::<VaultPath>().map_err(|error| format!("the mount of its log-in {error}"))
        };
        match (&self.kubernetes, &self.approle, &self.token_file) {
            (Some(kubernetes), None, None) => Ok(VaultLogin::Kubernetes {
                mount: mount(&kubernetes.mount)?,
                role: kubernetes.role.clone(),
                jwt_file: kubernetes.jwt_file.clone(),
            }),
            (None, Some(approle), None) => Ok(VaultLogin::AppRole {
                mount: mount(&approle.mount)?,
                role_id: approle.role_id.clone(),
                secret_id_file: approle.secret_id_file.clone(),
            }),
            (None, None, Some(file)) => Ok(VaultLogin::TokenFile(file.clone())),
            _ => Err("needs exactly one of kubernetes, approle and token_file".to_owned()),
        }
    }
}

impl Pkcs11Section {
    /// Which token is meant; the label, where both are given against the rules.
    pub(crate) fn token(&self) -> TokenChoice {
        match (&self.token_label, self.slot) {
            (Some(label), _) => TokenChoice::Label(label.clone()),
            (None, slot) => TokenChoice::Slot(slot.unwrap_or_default()),
        }
    }
}

fn check_timeout(key: &str, timeout: Span, wrong: &mut impl FnMut(&str, String)) {
    if timeout < MINIMUM_TIMEOUT || timeout > MAXIMUM_TIMEOUT {
        wrong(key, format!("must be from {MINIMUM_TIMEOUT} to {MAXIMUM_TIMEOUT}"));
    }
}

fn transit() -> String {
    "transit".to_owned()
}

fn moneyer() -> String {
    "moneyer".to_owned()
}

fn kubernetes() -> String {
    "kubernetes".to_owned()
}

fn approle() -> String {
    "approle".to_owned()
}

fn service_account_token() -> PathBuf {
    "/var/run/secrets/kubernetes.io/serviceaccount/token".into()
}

fn two_seconds() -> Span {
    Span::from_secs(2)
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

fn sixty_four() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(63)
}

fn four() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}

#[cfg(test)]
mod tests {
    use moneyer_daemon::settings::Source;

    use crate::config::Config;

    const BEGIN: &str = "[issuer]\nurl = \"https://id.example.com\"\n";
    const VAULT: &str = "[signer]\nbackend = \"vault\"\n[signer.vault]\n\
                         address = \"https://vault.example.com:8200\"\n";
    const PKCS11: &str = "[signer.pkcs11]\nmodule = \"/lib/hsm.so\"\npin_file = \"/etc/pin\"\n";

    fn refused(text: &str) -> Option<String> {
        let source = Source::from_parts("moneyer.toml", &format!("{BEGIN}{text}"), "MONEYER", &[]);
        Config::load(&source).err().map(|errors| errors.to_string())
    }

    #[test]
    fn each_log_in_and_each_token_is_taken() {
        for login in [
            "token_file = \"/run/vault/token\"",
            "kubernetes = { role = \"moneyer\" }",
            "approle = { role_id = \"a\", secret_id_file = \"/etc/secret\" }",
        ] {
            assert_eq!(refused(&format!("{VAULT}{login}\n")), None, "{login}");
        }
        for token in ["token_label = \"moneyer\"", "slot = 7"] {
            assert_eq!(refused(&format!("{PKCS11}{token}\n")), None, "{token}");
        }
    }

    #[test]
    fn each_mistake_is_told_with_what_to_write() {
        let with = |line: &str| format!("{VAULT}token_file = \"/t\"\n{line}\n");
        for (text, told) in [
            ("[signer]\nbackend = \"vault\"\n".to_owned(), "needs the section [signer.vault]"),
            ("[signer]\nbackend = \"pkcs11\"\n".to_owned(), "needs the section [signer.pkcs11]"),
            (VAULT.to_owned(), "needs exactly one of kubernetes, approle and token_file"),
            (with("approle = { role_id = \"a\", secret_id_file = \"/s\" }"), "exactly one of"),
            (with("mount = \"../sys\""), "joined by single slashes"),
            (with("namespace = \"a?b\""), "joined by single slashes"),
            (with("key_prefix = \"a/b\""), "joined by single slashes"),
            (with("timeout = \"99ms\""), "must be from 100ms to 10s"),
            (with("timeout = \"10001ms\""), "must be from 100ms to 10s"),
            (with("refresh_every = \"999ms\""), "must be at least 1s"),
            (with("concurrency = 0"), "nonzero"),
            (PKCS11.to_owned(), "needs exactly one of token_label and slot"),
            (format!("{PKCS11}slot = 1\ntoken_label = \"a\"\n"), "needs exactly one of"),
        ] {
            let refused = refused(&text).unwrap_or_else(|| panic!("taken: {text}"));
            assert!(refused.contains(told), "{text}: {refused}");
        }
        for good in ["timeout = \"100ms\"", "timeout = \"10s\"", "refresh_every = \"1s\""] {
            assert_eq!(refused(&with(good)), None, "{good}");
        }
        let plain = VAULT.replace("https:", "http:");
        assert!(refused(&format!("{plain}token_file = \"/t\"\n")).is_some(), "in the clear");
    }
}
