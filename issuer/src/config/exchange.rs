//! `[exchange]`: whose tokens are taken in exchange for ones of this cluster.

use std::path::PathBuf;

use moneyer_authority::exchange::{SourceKind, SubjectSource, SubjectSources};
use moneyer_authority::federation::{BundleUrl, MAXIMUM_ROOTS_BYTES};
use moneyer_daemon::settings::Span;
use moneyer_identity::spiffe::MAXIMUM_LEEWAY;
use moneyer_identity::{Audience, ClusterId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::LoginAlgorithm;
use crate::config::login::read;

/// Token exchange at `listen.exchange`: `POST /token`. Who may have what: `moneyer mapping put`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExchangeSection {
    /// Answer with the error codes of Jwtlet, for clients that move over: 400 `invalid_grant` for a token that is
    /// refused, 403 `unauthorized_client` for what no mapping grants. Default: `false`, those of RFC 8693.
    pub jwtlet_compatible_errors: bool,
    /// Kubernetes clusters whose service accounts are clients. Default: none.
    #[serde(rename = "cluster", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<SourceSection>,
    /// Other OIDC issuers whose subjects are clients. Default: none.
    #[serde(rename = "issuer", skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<SourceSection>,
}

/// An issuer whose tokens are taken. They are verified with its key set, offline.
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
    /// Where its JWK Set is: https. Of a cluster `https://SERVER/openid/v1/jwks`. Required.
    #[schemars(with = "String")]
    pub jwks_url: BundleUrl,
    /// A PEM file with the roots that the server of `jwks_url` is known under, and no others. Default: those that
    /// this machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A file with the bearer token that the server of `jwks_url` asks for, read anew for each fetch. Default: none.
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
            key_set: self.jwks_url.clone(),
            roots,
            bearer_file: self.bearer_file.clone(),
        })
    }
}
