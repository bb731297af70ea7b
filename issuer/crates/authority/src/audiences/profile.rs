//! An audience profile: as an operator says it, and as it holds.
//!
//! What is said may lean on a preset, the known demands of a relying party; what is left out follows from
//! the preset and the cluster. A profile that exists is one its relying party can take: a token for it is
//! signed by an algorithm that party accepts and lives long enough for its SDK.

use moneyer_identity::{
    Algorithm, Audience, Lifetime, LifetimeError, LifetimeRange, ProfileName, RelyingParty,
    RoleArn, SessionTag, SourceIdentity, SubjectForm,
};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyKinds, Line};

/// Longest list of roles in bytes, sixty ARNs of the usual length: in base64 half of the longest token, so
/// that everything else fits beside.
pub const MAXIMUM_ROLES_BYTES: usize = 3 * 1024;

/// Claims that AWS STS reads, each only where it is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AwsExtras {
    /// The roles that tokens may be used for. Empty: any whose trust policy allows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleArn>,
    /// What becomes a session tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SessionTag>,
    /// Which of the tags go along when the session assumes another role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive_tags: Vec<SessionTag>,
    /// What becomes the source identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<SourceIdentity>,
}

impl AwsExtras {
    /// Whether none is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an operator says of an audience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSpec {
    /// The profile's name, and that of its token file.
    pub name: ProfileName,
    /// Whose demands it begins from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<RelyingParty>,
    /// The exact value of `aud`. `None`: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// How the subject is written. `None`: by app, which stays the same across deploys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectForm>,
    /// Lifetime where none is asked for. `None`: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<Lifetime>,
    /// Longest lifetime. `None`: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_lifetime: Option<Lifetime>,
    /// What its tokens are signed with. `None`: the first of the cluster's algorithms that the preset's party
    /// takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Claims that AWS reads.
    #[serde(default, skip_serializing_if = "AwsExtras::is_empty")]
    pub aws: AwsExtras,
}

/// Why what is said of an audience is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Neither it nor its preset names an audience.
    #[error("is needed: {}", match .0 {
        Some(party) => format!("what {} expects is different for everybody", party.as_str()),
        None => "without a preset nothing says who the tokens are for".to_owned(),
    })]
    NoAudience(Option<RelyingParty>),
    /// Longer than any token of the cluster may live.
    #[error("may not exceed tokens.maximum_lifetime")]
    MaximumLifetime,
    /// The default is out of range.
    #[error(transparent)]
    DefaultLifetime(LifetimeError),
    /// The relying party's SDK would be left with a token that is over.
    #[error(
        "is too short for {}: its SDK reads a token file anew so seldom that the default must be at \
         least {minimum}", .party.as_str()
    )]
    TooShort {
        /// Who.
        party: RelyingParty,
        /// Shortest default.
        minimum: Lifetime,
    },
    /// The relying party refuses the cluster's signatures.
    #[error(
        "{} takes no {algorithm} signatures; with keys.second_algorithm the cluster has keys of another \
         algorithm beside", .party.as_str()
    )]
    Algorithm {
        /// Who.
        party: RelyingParty,
        /// What the cluster signs with, or is asked to.
        algorithm: Algorithm,
    },
    /// The cluster has no such keys.
    #[error("the cluster has no keys that sign {0}; keys.second_algorithm asks for some")]
    NoKeys(Algorithm),
    /// Claims of AWS for somebody else.
    #[error("are claims that AWS alone reads; use the preset aws")]
    NotAws,
    /// More roles than fit a token.
    #[error("has {0} bytes together, and {MAXIMUM_ROLES_BYTES} fit a token; name fewer roles")]
    TooManyRoles(usize),
    /// A transitive tag that is no tag.
    #[error("names {}, which is not among the tags", .0.as_str())]
    Transitive(SessionTag),
}

impl ProfileError {
    /// The key it is about, as the configuration names it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoAudience(_) => "value",
            Self::MaximumLifetime => "maximum_lifetime",
            Self::DefaultLifetime(_) | Self::TooShort { .. } => "default_lifetime",
            Self::Algorithm { .. } => "preset",
            Self::NoKeys(_) => "algorithm",
            Self::NotAws => "aws",
            Self::TooManyRoles(_) => "aws.roles",
            Self::Transitive(_) => "aws.transitive_tags",
        }
    }
}

/// What follows when one audience is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceProfile {
    /// Its name, and the name of its token file in a sandbox's directory.
    pub name: ProfileName,
    /// The exact value of `aud`.
    pub audience: Audience,
    /// How the subject is written.
    pub subject: SubjectForm,
    /// The lifetimes that may be asked for.
    pub lifetimes: LifetimeRange,
    /// Whose demands it meets, where they are known.
    pub relying_party: Option<RelyingParty>,
    /// What its tokens are signed with, once a key of it signs.
    pub algorithm: Algorithm,
    /// The line of keys that are made for it.
    pub line: Line,
    /// Claims that AWS reads.
    pub aws: AwsExtras,
}

impl ProfileSpec {
    /// The profile as it holds in a cluster with these lifetimes and these keys.
    pub fn resolve(
        self,
        cluster: &LifetimeRange,
        kinds: KeyKinds,
    ) -> Result<AudienceProfile, ProfileError> {
        self.check_aws()?;
        let lifetimes = self.lifetimes(cluster)?;
        let (line, algorithm) = self.line(kinds)?;
        let Self { name, preset, audience, subject, aws, .. } = self;
        let own = preset.and_then(RelyingParty::audience);
        let audience = audience.or_else(|| own.and_then(|own| Audience::parse(own).ok()));
        Ok(AudienceProfile {
            name,
            audience: audience.ok_or(ProfileError::NoAudience(preset))?,
            subject: subject.unwrap_or(SubjectForm::App),
            lifetimes,
            relying_party: preset,
            algorithm,
            line,
            aws,
        })
    }

    /// The line that is asked for, else the first whose signatures the party takes, and what it signs with.
    fn line(&self, kinds: KeyKinds) -> Result<(Line, Algorithm), ProfileError> {
        let asked = self.algorithm.unwrap_or(kinds.primary.algorithm());
        let taken = |party: &RelyingParty| party.takes(asked);
        match (self.algorithm, self.preset) {
            (Some(_), Some(party)) if !taken(&party) => {
                Err(ProfileError::Algorithm { party, algorithm: asked })
            }
            (None, Some(party)) if !taken(&party) => {
                let second = kinds.line_for(party).zip(kinds.algorithm(Line::Second));
                second.ok_or(ProfileError::Algorithm { party, algorithm: asked })
            }
            _ => {
                let line = kinds.line_of(asked).ok_or(ProfileError::NoKeys(asked))?;
                Ok((line, asked))
            }
        }
    }

    fn lifetimes(&self, cluster: &LifetimeRange) -> Result<LifetimeRange, ProfileError> {
        let maximum = self.maximum_lifetime.unwrap_or(cluster.maximum());
        if maximum > cluster.maximum() {
            return Err(ProfileError::MaximumLifetime);
        }
        let unsaid = cluster.default_lifetime().min(maximum);
        let default = self.default_lifetime.unwrap_or(unsaid);
        if let Some(party) = self.preset {
            let minimum = Lifetime::of(party.shortest_default_lifetime());
            if default < minimum {
                return Err(ProfileError::TooShort { party, minimum });
            }
        }
        LifetimeRange::new(cluster.minimum(), default, maximum)
            .map_err(ProfileError::DefaultLifetime)
    }

    fn check_aws(&self) -> Result<(), ProfileError> {
        if !self.aws.is_empty() && self.preset != Some(RelyingParty::Aws) {
            return Err(ProfileError::NotAws);
        }
        let bytes = self.aws.roles.iter().map(|role| role.as_str().len()).sum();
        if bytes > MAXIMUM_ROLES_BYTES {
            return Err(ProfileError::TooManyRoles(bytes));
        }
        let stray = self.aws.transitive_tags.iter().find(|tag| !self.aws.tags.contains(tag));
        stray.map_or(Ok(()), |tag| Err(ProfileError::Transitive(*tag)))
    }
}
