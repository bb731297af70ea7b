//! `[exchange]`: whose tokens are taken in exchange for ones of this cluster.

use std::path::PathBuf;

use moneyer_authority::exchange::{
    SourceKind, SubjectDomains, SubjectSource, SubjectSources, Verification,
};
use moneyer_authority::federation::{BundleUrl, MAXIMUM_ROOTS_BYTES};
use moneyer_authority::login::{KeySource, LoginDomain, LoginPlan};
use moneyer_daemon::settings::Span;
use moneyer_identity::spiffe::{MAXIMUM_LEEWAY, TrustDomain};
use moneyer_identity::{Audience, ClusterId, IssuerUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::LoginAlgorithm;
use crate::config::login::read;

/// Longest time that an answer of an API server is kept: a pod that is gone is let in for so long.
const LONGEST_KEPT: Span = Span::from_secs(60);

/// Token exchange at `listen.exchange`: `POST /token`. Who may have what: `moneyer mapping put`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeSection {
    /// The URL under which clients reach `listen.exchange`, without `/token`: https, or http on loopback; no trailing slash.
    /// RFC 8414 metadata then names `token_endpoint`. Default: none, and metadata says nothing of token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub public_url: Option<IssuerUrl>,
    /// Answer with the error codes of Jwtlet, for clients that move over: 400 `invalid_grant` for a token that is
    /// refused, 403 `unauthorized_client` for what no mapping grants. Default: `false`, those of RFC 8693.
    pub jwtlet_compatible_errors: bool,
    /// How long it is remembered that an API server authenticated a token, up to `60s`: it is not asked again meanwhile,
    /// and a pod that is gone may still exchange its token. Never longer than the token lives. `0s` asks each time.
    /// Default: `10s`.
    pub review_remembered: Span,
    /// How long it is remembered that an API server refused a token, up to `60s`. Default: `5s`.
    pub refusal_remembered: Span,
    /// Kubernetes clusters whose service accounts are clients. Default: none.
    #[serde(rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<SourceSection>,
    /// Other OIDC issuers whose subjects are clients. Default: none.
    #[serde(rename = "issuer", skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<SourceSection>,
    /// Trust domains whose workloads are clients, by their JWT-SVIDs. Default: none.
    #[serde(rename = "trust_domain", skip_serializing_if = "Vec::is_empty")]
    pub trust_domains: Vec<SubjectDomainSection>,
}

impl Default for ExchangeSection {
    fn default() -> Self {
        Self {
            public_url: None,
            jwtlet_compatible_errors: false,
            review_remembered: Span::from_secs(10),
            refusal_remembered: Span::from_secs(5),
            clusters: Vec::new(),
            issuers: Vec::new(),
            trust_domains: Vec::new(),
        }
    }
}

/// How the tokens of a cluster are verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Offline, with its key set. What that cannot see: that a pod or a service account is gone.
    #[default]
    Jwks,
    /// By its API server, which is asked about each token (`TokenReview`).
    TokenReview,
    /// By both: its API server is asked about tokens that its key set takes.
    Both,
}

/// A trust domain whose workloads are clients: a SPIFFE ID is the name of each. Its keys are those with which it may
/// log in (`[[login.trust_domain]]`), and where it may not, those of its trust bundle.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectDomainSection {
    /// The trust domain, without spiffe://. Required.
    pub name: TrustDomain,
    /// The audiences of which its JWT-SVIDs name one. Not one that others take too: they could show the token here.
    /// Required.
    pub audiences: Vec<Audience>,
    /// The algorithms its JWT-SVIDs may be signed with. Default: every one that JWT-SVIDs may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<LoginAlgorithm>,
    /// How far its clocks may be off, up to `60s`. Default: `0s`.
    #[serde(default = "no_leeway")]
    pub leeway: Span,
}

/// An issuer whose tokens are taken. They are verified with its key set, offline, or for a cluster as `verify` says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSection {
    /// Its name here. With a slash it stands before its subjects in the names of clients. Required.
    pub name: ClusterId,
    /// For a cluster: leave its name out of the names of clients, as Jwtlet does. One cluster can. Default: `false`.
    #[serde(default)]
    pub plain_clients: bool,
    /// The value of `iss` of its tokens, exactly. Required.
    pub issuer: String,
    /// The audiences of which its tokens name one. Not one that others take too: they could show the token here. Required.
    pub audiences: Vec<Audience>,
    /// For a cluster: how its tokens are verified: `jwks`, offline with its key set; `tokenreview`, by its API server; or
    /// `both`. Default: `jwks`.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub verify: Verify,
    /// For a cluster: where its API server is, for `tokenreview` and `both`: https, without a path. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub api_server: Option<BundleUrl>,
    /// Where its JWK Set is: https. Not needed for `tokenreview`. Default: of a cluster with `api_server`,
    /// `/openid/v1/jwks` there; else required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub jwks_url: Option<BundleUrl>,
    /// A PEM file with the roots that its servers are known under, and no others. Default: those that
    /// this machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A file with the bearer token that its servers ask for, read anew for each request. For `tokenreview` and `both`
    /// that of a service account which may create `tokenreviews` (cluster role `system:auth-delegator`). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_file: Option<PathBuf>,
    /// The algorithms its tokens may be signed with. Default: every one that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<LoginAlgorithm>,
    /// How far its clock may be off, up to `60s`. Default: `0s`.
    #[serde(default = "no_leeway")]
    pub leeway: Span,
}

fn no_leeway() -> Span {
    Span::from_secs(0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_usual(verify: &Verify) -> bool {
    *verify == Verify::default()
}

impl ExchangeSection {
    /// Whose tokens are taken, with the files that are named.
    pub(super) fn sources(&self, wrong: &mut impl FnMut(&str, String)) -> Option<SubjectSources> {
        let clusters = self.clusters.iter().map(|one| (SourceKind::Kubernetes, "cluster", one));
        let issuers = self.issuers.iter().map(|one| (SourceKind::Oidc, "issuer", one));
        let mut sources = Vec::new();
        let (mut all, mut at) = (true, 0);
        for (kind, table, section) in clusters.chain(issuers) {
            if at == self.clusters.len() && kind == SourceKind::Oidc {
                at = 0;
            }
            match section.source(kind) {
                Ok(source) => sources.push(source),
                Err((key, message)) => {
                    all = false;
                    wrong(&format!("exchange.{table}[{at}].{key}"), message);
                }
            }
            at += 1;
        }
        let unfit = |error: moneyer_authority::exchange::SourceError| {
            wrong("exchange", error.to_string());
        };
        SubjectSources::new(sources).map_err(unfit).ok().filter(|_| all)
    }

    /// The trust domains whose JWT-SVIDs are taken, with the keys of log-in where it has them.
    pub(super) fn domains(
        &self,
        login: &LoginPlan,
        wrong: &mut impl FnMut(&str, String),
    ) -> Option<SubjectDomains> {
        let domains = self.trust_domains.iter().map(|section| section.domain(login)).collect();
        let unfit = |error: moneyer_authority::login::DomainError| {
            wrong("exchange.trust_domain", error.to_string());
        };
        SubjectDomains::new(domains).map_err(unfit).ok()
    }

    /// Where tokens are exchanged, if that is said.
    pub(crate) fn token_endpoint(&self) -> Option<String> {
        self.public_url.as_ref().map(|url| url.join("/token"))
    }

    /// That there is something where clients are sent.
    pub(super) fn check_public_url(&self, listens: bool, wrong: &mut impl FnMut(&str, String)) {
        if self.public_url.is_some() && !listens {
            let message = "says where clients reach listen.exchange, and nothing listens there: name an address in \
                           listen.exchange";
            wrong("exchange.public_url", message.to_owned());
        }
    }

    /// What is remembered for longer than it may be.
    pub(super) fn check_remembered(&self, wrong: &mut impl FnMut(&str, String)) {
        for (key, span) in [
            ("exchange.review_remembered", self.review_remembered),
            ("exchange.refusal_remembered", self.refusal_remembered),
        ] {
            if span.duration() > LONGEST_KEPT.duration() {
                wrong(key, format!("may be {LONGEST_KEPT} at most"));
            }
        }
    }

    /// Whether tokens for this audience are exchanged.
    pub(super) fn takes(&self, audience: &Audience) -> bool {
        let of_sources = self.clusters.iter().chain(&self.issuers).map(|one| &one.audiences);
        let of_domains = self.trust_domains.iter().map(|one| &one.audiences);
        of_sources.chain(of_domains).flatten().any(|taken| taken == audience)
    }
}

impl SubjectDomainSection {
    fn domain(&self, login: &LoginPlan) -> LoginDomain {
        let may_log_in = login.find(&self.name);
        LoginDomain {
            trust_domain: self.name.clone(),
            keys: may_log_in.map_or(KeySource::Bundle, |domain| domain.keys.clone()),
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.iter().map(|&one| one.into()).collect(),
            leeway: self.leeway.duration(),
            issuer: may_log_in.and_then(|domain| domain.issuer.clone()),
        }
    }
}

impl SourceSection {
    fn source(&self, kind: SourceKind) -> Result<SubjectSource, (&'static str, String)> {
        if self.plain_clients && kind == SourceKind::Oidc {
            let message = "is for a cluster: an OIDC issuer could name anybody".to_owned();
            return Err(("plain_clients", message));
        }
        if self.leeway.duration() > MAXIMUM_LEEWAY {
            return Err(("leeway", format!("may be {} s at most", MAXIMUM_LEEWAY.as_secs())));
        }
        let roots = self.ca_file.as_deref().map(|file| read(file, MAXIMUM_ROOTS_BYTES));
        let roots = roots.transpose().map_err(|message| ("ca_file", message))?;
        let prefix = format!("{}/", self.name);
        Ok(SubjectSource {
            name: self.name.as_str().to_owned(),
            kind,
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            algorithms: self.algorithms.iter().map(|&one| one.into()).collect(),
            leeway: self.leeway.duration(),
            prefix: if self.plain_clients { String::new() } else { prefix },
            verification: self.verification(kind)?,
            roots,
            bearer_file: self.bearer_file.clone(),
        })
    }

    fn verification(&self, kind: SourceKind) -> Result<Verification, (&'static str, String)> {
        if kind == SourceKind::Oidc {
            if self.verify != Verify::Jwks {
                return Err(("verify", "is for a cluster: nobody else reviews tokens".to_owned()));
            }
            if self.api_server.is_some() {
                return Err(("api_server", "is for a cluster".to_owned()));
            }
        }
        if self.verify == Verify::TokenReview && self.jwks_url.is_some() {
            let message =
                "is not looked at where the API server alone decides; verify = \"both\" needs it";
            return Err(("jwks_url", message.to_owned()));
        }
        match self.verify {
            Verify::Jwks => self.key_set().map(Verification::KeySet),
            Verify::TokenReview => self.api_server().map(Verification::Review),
            Verify::Both => {
                Ok(Verification::Both { key_set: self.key_set()?, api_server: self.api_server()? })
            }
        }
    }

    fn key_set(&self) -> Result<BundleUrl, (&'static str, String)> {
        if let Some(url) = &self.jwks_url {
            return Ok(url.clone());
        }
        let missing =
            || ("jwks_url", "is required: where the key set of this issuer is".to_owned());
        self.api_server.as_ref().ok_or_else(missing)?;
        let server = self.api_server()?;
        let there = format!("{}/openid/v1/jwks", server.as_str().trim_end_matches('/'));
        BundleUrl::parse(&there).map_err(|error| ("api_server", error.to_string()))
    }

    fn api_server(&self) -> Result<BundleUrl, (&'static str, String)> {
        let missing = || ("api_server", "is required: it is asked about tokens".to_owned());
        let url = self.api_server.as_ref().ok_or_else(missing)?;
        let path = url.as_str().trim_start_matches("https://").trim_end_matches('/');
        if path.contains(['/', '?']) {
            return Err((
                "api_server",
                "is the server without a path: https://host:port".to_owned(),
            ));
        }
        Ok(url.clone())
    }
}

#[cfg(test)]
mod tests {
    use moneyer_authority::Charter;
    use moneyer_authority::exchange::Verification;
    use moneyer_daemon::settings::Source;

    use crate::config::Config;

    const CLUSTER: &str = "[[exchange.cluster]]\nname = 'prod'\nissuer = 'https://k.example'\naudiences = ['moneyer']\n";

    fn load(text: &str) -> Result<Charter, String> {
        let text = format!("issuer.url = 'https://id.example.com'\n{text}");
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
        let loaded = Config::load(&source).map(|(_, charter)| charter);
        loaded.map_err(|errors| errors.to_string())
    }

    fn verification(keys: &str) -> Verification {
        let charter = load(&format!("{CLUSTER}{keys}")).unwrap();
        charter.subject_sources.list()[0].verification.clone()
    }

    #[test]
    fn a_cluster_is_verified_as_it_is_said() {
        let url = |text: &str| moneyer_authority::federation::BundleUrl::parse(text).unwrap();
        let (server, there) = (url("https://k:6443"), url("https://k:6443/openid/v1/jwks"));
        let elsewhere = url("https://k.example/keys");
        for (keys, expected) in [
            ("jwks_url = 'https://k.example/keys'", Verification::KeySet(elsewhere.clone())),
            ("api_server = 'https://k:6443'", Verification::KeySet(there.clone())),
            (
                "verify = 'tokenreview'\napi_server = 'https://k:6443'",
                Verification::Review(server.clone()),
            ),
            (
                "verify = 'both'\napi_server = 'https://k:6443'",
                Verification::Both { key_set: there, api_server: server.clone() },
            ),
            (
                "verify = 'both'\napi_server = 'https://k:6443'\njwks_url = 'https://k.example/keys'",
                Verification::Both { key_set: elsewhere, api_server: server },
            ),
        ] {
            assert_eq!(verification(keys), expected, "{keys}");
        }
    }

    #[test]
    fn what_a_cluster_cannot_be_is_told_at_its_key() {
        let other = CLUSTER.replace("cluster", "issuer");
        for (text, expected) in [
            (CLUSTER.to_owned(), "exchange.cluster[0].jwks_url: is required"),
            (
                format!("{CLUSTER}verify = 'tokenreview'"),
                "exchange.cluster[0].api_server: is required",
            ),
            (
                format!("{CLUSTER}verify = 'both'\njwks_url = 'https://k/'"),
                "exchange.cluster[0].api_server: is required",
            ),
            (
                format!(
                    "{CLUSTER}verify = 'tokenreview'\njwks_url = 'https://k/'\napi_server = 'https://k'"
                ),
                "exchange.cluster[0].jwks_url: is not looked at",
            ),
            (format!("{CLUSTER}api_server = 'http://k'"), "begins with https://"),
            (
                format!("{CLUSTER}verify = 'both'\napi_server = 'https://k/path'"),
                "exchange.cluster[0].api_server: is the server without a path",
            ),
            (format!("{CLUSTER}verify = 'webhook'"), "exchange.cluster[0].verify: unknown value"),
            (
                format!("{other}verify = 'both'\napi_server = 'https://k'"),
                "exchange.issuer[0].verify: is for a cluster",
            ),
            (
                format!("{other}api_server = 'https://k'\njwks_url = 'https://k/'"),
                "exchange.issuer[0].api_server: is for a cluster",
            ),
            ("exchange.review_remembered = '61s'".to_owned(), "exchange.review_remembered: may be"),
            (
                "exchange.refusal_remembered = '61s'".to_owned(),
                "exchange.refusal_remembered: may be",
            ),
            (
                "[[exchange.trust_domain]]\nname = 'o.example'\naudiences = []".to_owned(),
                "exchange.trust_domain: at least one audience",
            ),
        ] {
            let told = load(&text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
        load("exchange.review_remembered = '60s'\nexchange.refusal_remembered = '60s'").unwrap();
    }

    #[test]
    fn a_service_account_that_manages_is_one_of_a_cluster_and_has_an_audience_of_its_own() {
        let cluster = format!("{CLUSTER}jwks_url = 'https://k/'\n");
        let with = |audience: &str, keys: &str| {
            load(&format!(
                "{cluster}[management]\n{audience}\n[[management.service_account]]\n{keys}"
            ))
        };
        let good = "cluster = 'prod'\nid = 'system:serviceaccount:ops:admin'\nroles = ['*:read']";
        let charter = with("audience = 'manage'", good).unwrap();
        let named = "prod/system:serviceaccount:ops:admin".parse().unwrap();
        assert!(charter.management.permissions(&named).is_some(), "as an exchange names it");
        for (audience, from, to, expected) in [
            ("", "", "", "management.audience: service accounts need an audience"),
            (
                "audience = 'moneyer'",
                "",
                "",
                "management.audience: tokens for moneyer are exchanged",
            ),
            ("audience = 'manage'", "'prod'", "'west'", "service_account[0].cluster: there is no"),
            ("audience = 'manage'", ":ops:admin", ":ops:*", "stands for a namespace"),
            ("audience = 'manage'", ":ops:admin", ":ops", "service_account[0].id: is of the form"),
            ("audience = 'manage'", "'*:read'", "", "service_account[0].roles: are none"),
            ("audience = 'manage'", "*:read", "management:write", "is none of the roles"),
        ] {
            let told = with(audience, &good.replace(from, to)).unwrap_err();
            assert!(told.contains(expected), "{audience} {to}: {told}");
        }
    }
}
