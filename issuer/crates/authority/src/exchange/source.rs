//! The issuers whose tokens are taken for a proof, and the names their clients have here.
//!
//! A client has one name, whoever says it: each source puts its prefix before its subjects, no prefix is the beginning
//! of another, and a source of service accounts names nothing else. So two issuers never mean the same client.

use std::time::Duration;

use moneyer_identity::spiffe::SvidAlgorithm;
use moneyer_identity::{Audience, ForeignTokenRules};

use crate::federation::BundleUrl;

/// Most sources: each has a key set in memory and a task that fetches it.
pub const MAXIMUM_SOURCES: usize = 64;

/// What kind of issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A Kubernetes cluster: subjects are service accounts.
    Kubernetes,
    /// Any other OIDC issuer.
    Oidc,
}

/// How the tokens of an issuer are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Offline, with its JWK Set, which is here.
    KeySet(BundleUrl),
    /// By the API server here (`TokenReview`).
    Review(BundleUrl),
    /// By both. What the key set refuses is not asked about.
    Both {
        /// Its JWK Set.
        key_set: BundleUrl,
        /// Its API server.
        api_server: BundleUrl,
    },
}

impl Verification {
    /// Where its JWK Set is, if that is needed.
    #[must_use]
    pub fn key_set(&self) -> Option<&BundleUrl> {
        match self {
            Self::KeySet(key_set) | Self::Both { key_set, .. } => Some(key_set),
            Self::Review(_) => None,
        }
    }

    /// Where its API server is, if that is asked.
    #[must_use]
    pub fn api_server(&self) -> Option<&BundleUrl> {
        match self {
            Self::Review(api_server) | Self::Both { api_server, .. } => Some(api_server),
            Self::KeySet(_) => None,
        }
    }
}

/// What a token is shown for, which its audience has to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Another token.
    Exchange,
    /// The management API, which has this audience.
    Management(&'a Audience),
}

/// An issuer whose tokens are taken for a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectSource {
    /// Its name here.
    pub name: String,
    /// What kind it is.
    pub kind: SourceKind,
    /// The value of `iss`, exactly.
    pub issuer: String,
    /// The audiences of which its tokens name one.
    pub audiences: Vec<Audience>,
    /// The algorithms they may have. Empty: every one that is known.
    pub algorithms: Vec<SvidAlgorithm>,
    /// How far its clock may be off.
    pub leeway: Duration,
    /// What stands before its subjects in a client.
    pub prefix: String,
    /// How they are verified.
    pub verification: Verification,
    /// The roots its servers are known under, PEM. Without: those that this machine trusts.
    pub roots: Option<String>,
    /// A file with the bearer token that its servers ask for.
    pub bearer_file: Option<std::path::PathBuf>,
}

/// Why sources do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// More than [`MAXIMUM_SOURCES`].
    #[error("at most {MAXIMUM_SOURCES} issuers are taken")]
    TooMany,
    /// Two of one issuer: which rules hold would be chance.
    #[error("the issuer {0} stands twice")]
    Issuer(String),
    /// Two of one name.
    #[error("the name {0} stands twice")]
    Name(String),
    /// A client could be of either.
    #[error("the prefix {0:?} is the beginning of {1:?}: a client could be of either issuer")]
    Prefix(String, String),
    /// An OIDC issuer that could name anybody.
    #[error(
        "an OIDC issuer needs a prefix that no service account and no SPIFFE ID begins with, as its name and a slash: \
         it chooses its subjects, and could name anybody"
    )]
    Open,
    /// Without one a token for anybody would be taken.
    #[error("at least one audience is needed")]
    NoAudience,
}

/// The issuers whose tokens are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectSources(Vec<SubjectSource>);

impl SubjectSources {
    /// Checks that they fit together.
    pub fn new(sources: Vec<SubjectSource>) -> Result<Self, SourceError> {
        if sources.len() > MAXIMUM_SOURCES {
            return Err(SourceError::TooMany);
        }
        for (at, source) in sources.iter().enumerate() {
            if source.audiences.is_empty() {
                return Err(SourceError::NoAudience);
            }
            let reserved = ["system:", "spiffe:"]
                .iter()
                .any(|own| source.prefix.starts_with(own) || own.starts_with(&source.prefix));
            if source.kind == SourceKind::Oidc && reserved {
                return Err(SourceError::Open);
            }
            for other in sources.iter().skip(at + 1) {
                if other.issuer == source.issuer {
                    return Err(SourceError::Issuer(other.issuer.clone()));
                }
                if other.name == source.name {
                    return Err(SourceError::Name(other.name.clone()));
                }
                check_prefixes(source, other)?;
            }
        }
        Ok(Self(sources))
    }

    /// Every one.
    #[must_use]
    pub fn list(&self) -> &[SubjectSource] {
        &self.0
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&SubjectSource> {
        self.0.iter().find(|source| source.name == name)
    }

    /// The one of this issuer.
    #[must_use]
    pub fn of_issuer(&self, issuer: &str) -> Option<&SubjectSource> {
        self.0.iter().find(|source| source.issuer == issuer)
    }
}

fn check_prefixes(one: &SubjectSource, other: &SubjectSource) -> Result<(), SourceError> {
    // Every name of a cluster without a prefix begins with `system:`, and no other prefix does.
    let apart = |short: &SubjectSource, long: &SubjectSource| {
        short.kind == SourceKind::Kubernetes && short.prefix.is_empty() && !long.prefix.is_empty()
    };
    for (short, long) in [(one, other), (other, one)] {
        if long.prefix.starts_with(&short.prefix) && !apart(short, long) {
            return Err(SourceError::Prefix(short.prefix.clone(), long.prefix.clone()));
        }
    }
    Ok(())
}

impl SubjectSource {
    /// The audiences of which a token for this names one.
    pub(super) fn audiences_for<'a>(&'a self, purpose: Purpose<'a>) -> &'a [Audience] {
        match purpose {
            Purpose::Exchange => &self.audiences,
            Purpose::Management(audience) => std::slice::from_ref(audience),
        }
    }

    /// What its tokens for this have to be.
    pub(super) fn rules(&self, purpose: Purpose<'_>) -> ForeignTokenRules {
        let audiences = self.audiences_for(purpose).iter();
        ForeignTokenRules {
            issuer: self.issuer.clone(),
            audiences: audiences.map(|audience| audience.as_str().to_owned()).collect(),
            algorithms: self.algorithms.clone(),
            leeway: self.leeway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, kind: SourceKind, prefix: &str) -> SubjectSource {
        SubjectSource {
            name: name.to_owned(),
            kind,
            issuer: format!("https://{name}.example"),
            audiences: vec![Audience::parse("moneyer").unwrap()],
            algorithms: Vec::new(),
            leeway: Duration::ZERO,
            prefix: prefix.to_owned(),
            verification: Verification::KeySet(BundleUrl::parse("https://x.example/jwks").unwrap()),
            roots: None,
            bearer_file: None,
        }
    }

    fn fit(sources: &[(&str, SourceKind, &str)]) -> Result<SubjectSources, SourceError> {
        let sources = sources.iter().map(|(name, kind, prefix)| source(name, *kind, prefix));
        SubjectSources::new(sources.collect())
    }

    #[test]
    fn there_are_as_many_issuers_as_there_may_be() {
        let several = |count: usize| {
            let named = (0..count).map(|at| format!("c{at:02}"));
            let each = named.map(|name| source(&name, SourceKind::Oidc, &format!("{name}/")));
            SubjectSources::new(each.collect())
        };
        assert_eq!(several(MAXIMUM_SOURCES).unwrap().list().len(), MAXIMUM_SOURCES);
        assert_eq!(several(MAXIMUM_SOURCES + 1), Err(SourceError::TooMany));
    }

    #[test]
    fn no_two_issuers_can_mean_the_same_client() {
        use SourceKind::{Kubernetes, Oidc};
        assert!(fit(&[("a", Kubernetes, ""), ("b", Kubernetes, "b/"), ("c", Oidc, "c/")]).is_ok());
        for bad in [
            &[("a", Kubernetes, ""), ("b", Kubernetes, "")][..],
            &[("a", Kubernetes, "b/"), ("b", Oidc, "b/")],
            &[("a", Oidc, "b/"), ("b", Oidc, "b/c/")],
        ] {
            assert!(matches!(fit(bad), Err(SourceError::Prefix(..))), "{bad:?}");
        }
        for open in ["", "s", "system:", "system:serviceaccount:", "spiffe:", "spiffe://x/"] {
            assert_eq!(fit(&[("a", Oidc, open)]), Err(SourceError::Open), "{open:?}");
        }
        assert!(matches!(
            fit(&[("a", Oidc, "a/"), ("a", Oidc, "b/")]),
            Err(SourceError::Issuer(_))
        ));
        let mut nobody = source("a", Oidc, "a/");
        nobody.audiences.clear();
        assert_eq!(SubjectSources::new(vec![nobody]), Err(SourceError::NoAudience));
    }
}
