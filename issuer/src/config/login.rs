//! `[login]`: whose workloads may log in with an SVID, and how their SVIDs are verified.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_authority::federation::{BundleUrl, MAXIMUM_ROOTS_BYTES};
use moneyer_authority::login::{DomainError, KeySource, LoginDomain, LoginPlan};
use moneyer_daemon::settings::Span;
use moneyer_identity::spiffe::{MAXIMUM_BUNDLE_BYTES, SvidAlgorithm, TrustBundle, TrustDomain};
use moneyer_identity::{Audience, Lifetime, LifetimeRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long the token of a log-in lives where nobody says anything: long enough for a build's calls, and short beside an
/// SVID, which it may outlive.
const USUAL_LIFETIME: Lifetime = Lifetime::from_seconds(15 * 60);

/// Log-in with SVIDs at `listen.exchange`. What who may do: `moneyer policy put`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoginSection {
    /// How long the token of a log-in lives where a policy says nothing else. Default: `15m`, or what is nearest to
    /// that of what tokens may live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Span>,
    /// The trust domains whose workloads may log in. Default: none.
    #[serde(rename = "trust_domain", skip_serializing_if = "Vec::is_empty")]
    pub trust_domains: Vec<LoginDomainSection>,
}

/// A trust domain whose workloads may log in, where a policy names them. Its keys are those of its trust bundle
/// (the cluster's own, or that of a federation), unless they are said here.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginDomainSection {
    /// The trust domain, without spiffe://. Required.
    pub name: TrustDomain,
    /// Where its JWK Set is, for a trust domain without a bundle: https. Knows JWT-SVIDs alone. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub jwks_url: Option<BundleUrl>,
    /// A PEM file with the roots that the server of `jwks_url` is known under, and no others. Default: those that
    /// this machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_ca_file: Option<PathBuf>,
    /// A file with its JWK Set, read at start, in place of `jwks_url`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The audiences of which its JWT-SVIDs name one. Default: the issuer with `/v1/login/spiffe` after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<Audience>,
    /// The algorithms its JWT-SVIDs may be signed with. Default: every one that JWT-SVIDs may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<LoginAlgorithm>,
    /// How far its clocks may be off, up to `60s`. Default: `0s`.
    #[serde(default = "no_leeway")]
    pub leeway: Span,
    /// What `iss` of its JWT-SVIDs has to be, exactly. Default: anything, since the subject says whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// An algorithm of JWT-SVIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum LoginAlgorithm {
    RS256,
    RS384,
    RS512,
    ES256,
    ES384,
    ES512,
    PS256,
    PS384,
    PS512,
}

impl From<LoginAlgorithm> for SvidAlgorithm {
    fn from(algorithm: LoginAlgorithm) -> Self {
        match algorithm {
            LoginAlgorithm::RS256 => Self::RS256,
            LoginAlgorithm::RS384 => Self::RS384,
            LoginAlgorithm::RS512 => Self::RS512,
            LoginAlgorithm::ES256 => Self::ES256,
            LoginAlgorithm::ES384 => Self::ES384,
            LoginAlgorithm::ES512 => Self::ES512,
            LoginAlgorithm::PS256 => Self::PS256,
            LoginAlgorithm::PS384 => Self::PS384,
            LoginAlgorithm::PS512 => Self::PS512,
        }
    }
}

fn no_leeway() -> Span {
    Span::from_secs(0)
}

impl LoginSection {
    /// Whose workloads may log in, with the files that are named.
    pub(super) fn plan(
        &self,
        lifetimes: &LifetimeRange,
        wrong: &mut impl FnMut(&str, String),
    ) -> Option<LoginPlan> {
        let lifetime = match self.lifetime {
            None => USUAL_LIFETIME.clamp(lifetimes.minimum(), lifetimes.maximum()),
            Some(span) => Lifetime::of(span.duration()),
        };
        if let Err(error) = lifetimes.choose(Some(lifetime)) {
            wrong("login.lifetime", error.to_string());
            return None;
        }
        let mut domains = Vec::with_capacity(self.trust_domains.len());
        for (index, section) in self.trust_domains.iter().enumerate() {
            match section.domain() {
                Ok(domain) => domains.push(domain),
                Err((key, message)) => {
                    wrong(&format!("login.trust_domain[{index}].{key}"), message);
                }
            }
        }
        // Of those that are told already nothing follows here.
        let all = domains.len() == self.trust_domains.len();
        let twice = |error: DomainError| wrong("login.trust_domain", error.to_string());
        LoginPlan::new(lifetime, domains).map_err(twice).ok().filter(|_| all)
    }
}

/// A key of a section, and what is wrong with its value.
type Wrong = (&'static str, String);

impl LoginDomainSection {
    fn domain(&self) -> Result<LoginDomain, Wrong> {
        Ok(LoginDomain {
            trust_domain: self.name.clone(),
            keys: self.keys()?,
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.iter().map(|&one| one.into()).collect(),
            leeway: self.leeway.duration(),
            issuer: self.issuer.clone(),
        })
    }

    fn keys(&self) -> Result<KeySource, Wrong> {
        if self.jwks_ca_file.is_some() && self.jwks_url.is_none() {
            return Err((
                "jwks_ca_file",
                "is for the server of jwks_url, and there is none".into(),
            ));
        }
        match (&self.jwks_url, &self.jwks_file) {
            (Some(_), Some(_)) => {
                Err(("jwks_file", "stands in place of jwks_url; leave one out".to_owned()))
            }
            (Some(url), None) => {
                let file = self.jwks_ca_file.as_deref();
                let roots = file.map(|file| read(file, MAXIMUM_ROOTS_BYTES)).transpose();
                let roots = roots.map_err(|message| ("jwks_ca_file", message))?;
                Ok(KeySource::Url { url: url.clone(), roots })
            }
            (None, Some(file)) => {
                let text = read(file, MAXIMUM_BUNDLE_BYTES);
                let text = text.map_err(|message| ("jwks_file", message))?;
                let keys = TrustBundle::of_key_set(self.name.clone(), text.as_bytes());
                let keys = keys.map_err(|error| ("jwks_file", crate::chain(&error)))?;
                if keys.jwt_authorities().is_empty() {
                    return Err(("jwks_file", "has no key that JWT-SVIDs are signed with".into()));
                }
                Ok(KeySource::Keys(Arc::new(keys)))
            }
            (None, None) => Ok(KeySource::Bundle),
        }
    }
}

/// A file of at most this many bytes.
pub(super) fn read(file: &Path, limit: usize) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| {
        let mut limited = file.take(limit as u64 + 1);
        limited.read_to_string(&mut text)
    });
    let told = |error| format!("{} cannot be read: {}", file.display(), crate::chain(&error));
    read.map_err(told)?;
    if text.len() > limit {
        return Err(format!("{} is longer than {limit} bytes", file.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use moneyer_daemon::settings::Source;

    use super::*;
    use crate::config::Config;

    const URL: &str = "issuer.url = 'https://id.example.com'\n";

    fn load(text: &str) -> Result<LoginPlan, Vec<String>> {
        let text = format!("{URL}{text}");
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
        let loaded = Config::load(&source).map(|(_, charter)| charter.login);
        loaded.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    /// What is wrong with these keys of the one trust domain.
    fn wrong(keys: &str) -> String {
        let text = format!("[[login.trust_domain]]\nname = 'ci.example'\n{keys}\n");
        let [error] = load(&text).unwrap_err().try_into().unwrap();
        error
    }

    #[test]
    fn nobody_may_log_in_until_it_is_said() {
        let plan = load("").unwrap();
        assert_eq!((plan.lifetime().seconds(), plan.domains().len()), (900, 0));
        let plan =
            load("login.lifetime = '5m'\n[[login.trust_domain]]\nname = 'ci.example'").unwrap();
        assert_eq!(plan.lifetime().seconds(), 300);
        // Who narrows the life of tokens and wants no log-in has nothing to set here.
        let short = "tokens.default_lifetime = '1m'\ntokens.maximum_lifetime = '1m'";
        assert_eq!(load(short).unwrap().lifetime().seconds(), 60);
        let [domain] = plan.domains() else { panic!("{plan:?}") };
        let expected = LoginDomain {
            trust_domain: TrustDomain::parse("ci.example").unwrap(),
            keys: KeySource::Bundle,
            audiences: Vec::new(),
            algorithms: Vec::new(),
            leeway: std::time::Duration::ZERO,
            issuer: None,
        };
        assert_eq!(*domain, expected);
    }

    #[test]
    fn what_a_trust_domain_cannot_be_is_told_at_its_key() {
        for (keys, expected) in [
            (
                "jwks_file = '/nothing/here'",
                "login.trust_domain[0].jwks_file: /nothing/here cannot be read",
            ),
            (
                "jwks_file = '/etc/hostname'\njwks_url = 'https://a.example/'",
                "jwks_file: stands in place of jwks_url",
            ),
            ("jwks_ca_file = '/etc/hostname'", "jwks_ca_file: is for the server of jwks_url"),
            (
                "jwks_url = 'https://a.example/'\njwks_ca_file = '/nothing/here'",
                "jwks_ca_file: /nothing/here cannot be read",
            ),
            ("jwks_url = 'http://a.example/'", "begins with https://"),
            ("algorithms = ['HS256']", "login.trust_domain[0].algorithms[0]: unknown value"),
            ("algorithms = ['none']", "login.trust_domain[0].algorithms[0]: unknown value"),
            ("audiences = ['']", "audience"),
            ("leeway = '61s'", "the clock skew forgiven may be 60 s at most"),
            ("key = 'x'", "login.trust_domain[0].key: unknown"),
        ] {
            let told = wrong(keys);
            assert!(told.contains(expected), "{keys}: {told}");
        }
        assert!(load("[[login.trust_domain]]\nname = 'ci.example'\nleeway = '60s'").is_ok());
    }

    #[test]
    fn a_key_set_in_a_file_has_a_key_that_jwt_svids_are_signed_with() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys.json");
        let keys = format!("jwks_file = '{}'", file.display());
        for (text, expected) in [
            ("", "jwks_file"),
            ("{\"keys\":[]}", "has no key that JWT-SVIDs are signed with"),
            ("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"1\",\"k\":\"AA\"}]}", "jwks_file"),
        ] {
            std::fs::write(&file, text).unwrap();
            let told = wrong(&keys);
            assert!(told.contains(expected), "{text}: {told}");
        }
        std::fs::write(&file, "x".repeat(MAXIMUM_BUNDLE_BYTES + 1)).unwrap();
        assert!(wrong(&keys).contains("is longer than 1048576 bytes"));
    }

    #[test]
    fn a_trust_domain_stands_once_and_its_tokens_live_within_the_range() {
        let one = "[[login.trust_domain]]\nname = 'ci.example'\n";
        let [twice] = load(&format!("{one}{one}")).unwrap_err().try_into().unwrap();
        assert!(
            twice.contains("login.trust_domain: the trust domain ci.example stands twice"),
            "{twice}"
        );
        for lifetime in ["30s", "25h"] {
            let [told] =
                load(&format!("login.lifetime = '{lifetime}'")).unwrap_err().try_into().unwrap();
            assert!(told.contains("login.lifetime: "), "{told}");
        }
    }

    #[test]
    fn no_listener_takes_tokens_over_plain_http_from_other_machines() {
        let pair = "listen.public_tls = { certificate = '/a', key = '/b' }";
        for key in ["listen.exchange", "listen.management_remote"] {
            let open = format!("{key} = '0.0.0.0:1'");
            let [told] = load(&open).unwrap_err().try_into().unwrap();
            let expected =
                format!("{key}: 0.0.0.0:1 would take tokens over plain HTTP: name a certificate");
            assert!(told.contains(&expected), "{told}");
            for beside in [pair, "listen.public_plain = 'behind_proxy'"] {
                load(&format!("{open}\n{beside}")).unwrap();
            }
            for local in ["127.0.0.1:1", "[::1]:1", "unix:/run/a.sock"] {
                load(&format!("{key} = '{local}'")).unwrap();
            }
        }
    }
}
