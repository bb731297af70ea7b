//! Which audiences may be asked for, and what follows from each.
//!
//! An audience is matched by exact bytes. One that has a profile takes its subject form and lifetimes;
//! any other takes the default ones. The issuer's own URL is never an audience, and the default
//! audience, which the cluster's own services take, never stands beside another: each relying party of
//! a token with several audiences could replay it at the others.

use std::collections::HashMap;
use std::sync::Arc;

use moneyer_identity::{
    Audience, AudienceError, Audiences, IssuerUrl, Lifetime, LifetimeRange, ProfileName,
    SubjectForm,
};

use crate::audiences::profile::AudienceProfile;
use crate::keys::Line;
use crate::mint::MintError;
use crate::registry::App;

/// Why profiles do not form a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Two profiles have one name.
    #[error("two audience profiles are named {0}")]
    Name(ProfileName),
    /// Two profiles have one audience.
    #[error("two audience profiles are for {0}")]
    Audience(Audience),
    /// A profile, or the default audience, is the issuer itself.
    #[error("the issuer's own URL cannot be an audience")]
    Issuer,
    /// The issuer's URL is too long to be compared with audiences.
    #[error("the issuer's own URL is no audience that could be refused")]
    IssuerUrl(#[source] AudienceError),
    /// No audience or too many may be named in one token.
    #[error("a token names from 1 to 32 audiences")]
    Maximum,
}

/// What a token is to be like, after policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) audiences: Audiences,
    pub(crate) subject: SubjectForm,
    pub(crate) lifetime: Lifetime,
    /// The keys to sign with.
    pub(crate) line: Line,
    /// Of the audiences that have one.
    pub(crate) profiles: Vec<Arc<AudienceProfile>>,
}

/// The audience policy of a cluster.
#[derive(Debug, Clone)]
pub struct AudiencePolicy {
    default_audience: Audience,
    lifetimes: LifetimeRange,
    maximum_audiences: usize,
    issuer: Audience,
    profiles: Vec<Arc<AudienceProfile>>,
    by_audience: HashMap<Audience, Arc<AudienceProfile>>,
}

impl AudiencePolicy {
    /// A policy. `lifetimes` are for audiences without a profile.
    pub fn new(
        issuer: &IssuerUrl,
        default_audience: Audience,
        lifetimes: LifetimeRange,
        maximum_audiences: usize,
        profiles: Vec<AudienceProfile>,
    ) -> Result<Self, PolicyError> {
        if !(1..=32).contains(&maximum_audiences) {
            return Err(PolicyError::Maximum);
        }
        let issuer = Audience::parse(issuer.as_str()).map_err(PolicyError::IssuerUrl)?;
        if default_audience == issuer {
            return Err(PolicyError::Issuer);
        }
        let (none, by_audience) = (Vec::new(), HashMap::new());
        let empty = Self {
            default_audience,
            lifetimes,
            maximum_audiences,
            issuer,
            profiles: none,
            by_audience,
        };
        profiles.into_iter().try_fold(empty, Self::and)
    }

    /// With one profile more.
    pub fn and(mut self, profile: AudienceProfile) -> Result<Self, PolicyError> {
        if profile.audience == self.issuer {
            return Err(PolicyError::Issuer);
        }
        if self.profiles.iter().any(|other| other.name == profile.name) {
            return Err(PolicyError::Name(profile.name));
        }
        if self.by_audience.contains_key(&profile.audience) {
            return Err(PolicyError::Audience(profile.audience));
        }
        let profile = Arc::new(profile);
        self.by_audience.insert(profile.audience.clone(), profile.clone());
        self.profiles.push(profile);
        Ok(self)
    }

    /// Without the profile of this name.
    #[must_use]
    pub fn without(&self, name: &ProfileName) -> Self {
        let mut policy = self.clone();
        policy.profiles.retain(|profile| profile.name != *name);
        policy.by_audience.retain(|_, profile| profile.name != *name);
        policy
    }

    /// Every profile.
    pub fn profiles(&self) -> impl Iterator<Item = &AudienceProfile> {
        self.profiles.iter().map(AsRef::as_ref)
    }

    /// The audience of a token that was asked for without one.
    #[must_use]
    pub fn default_audience(&self) -> &Audience {
        &self.default_audience
    }

    /// The lifetimes of audiences without a profile.
    #[must_use]
    pub fn lifetimes(&self) -> &LifetimeRange {
        &self.lifetimes
    }

    /// Most audiences in one token.
    #[must_use]
    pub fn maximum_audiences(&self) -> usize {
        self.maximum_audiences
    }

    /// The profiles whose audience this app may ask for: its sandboxes get a token file for each.
    pub fn profiles_of<'a>(&'a self, app: &'a App) -> impl Iterator<Item = &'a AudienceProfile> {
        self.profiles_allowed(&app.audiences)
    }

    /// The profiles whose audience an app of these may ask for.
    pub fn profiles_allowed<'a>(
        &'a self,
        allowed: &'a [Audience],
    ) -> impl Iterator<Item = &'a AudienceProfile> {
        self.profiles().filter(|profile| may_ask(allowed, &profile.audience))
    }

    /// Applies the policy to what a sandbox asks for.
    pub(crate) fn choose(
        &self,
        app: &App,
        asked: Vec<Audience>,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let audiences = self.shape(asked)?;
        // The default audience needs no allowance: without it a sandbox could not talk to its cluster.
        let denied = |audience: &&Audience| {
            **audience != self.default_audience && !may_ask(&app.audiences, audience)
        };
        if let Some(audience) = audiences.as_slice().iter().find(denied) {
            return Err(MintError::AudienceDenied(audience.clone()));
        }
        self.settle(audiences, lifetime)
    }

    /// Applies the policy to what a part of the platform asks for: no app limits it.
    pub(crate) fn choose_unlimited(
        &self,
        asked: Vec<Audience>,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let audiences = self.shape(asked)?;
        self.settle(audiences, lifetime)
    }

    /// How many, all distinct, none the issuer: before anything is looked up.
    fn shape(&self, asked: Vec<Audience>) -> Result<Audiences, MintError> {
        let asked = if asked.is_empty() { vec![self.default_audience.clone()] } else { asked };
        let audiences =
            Audiences::several(asked, self.maximum_audiences).map_err(MintError::Audiences)?;
        if audiences.as_slice().contains(&self.issuer) {
            return Err(MintError::AudienceDenied(self.issuer.clone()));
        }
        Ok(audiences)
    }

    /// The subject form, keys and lifetime that all these audiences agree on.
    fn settle(
        &self,
        audiences: Audiences,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let list = audiences.as_slice();
        if list.len() > 1 && list.contains(&self.default_audience) {
            return Err(MintError::Combination);
        }
        let (mut alike, mut chosen, mut profiles) = (None, None, Vec::new());
        for audience in list {
            let profile = self.by_audience.get(audience);
            let form = profile.map_or(SubjectForm::Sandbox, |profile| profile.subject);
            let form = (form, profile.map_or(Line::Primary, |profile| profile.line));
            let lifetimes = profile.map_or(&self.lifetimes, |profile| &profile.lifetimes);
            let lifetime = lifetimes.choose(lifetime).map_err(MintError::Lifetime)?;
            // What is for AWS alone is not told to others, and holds for no others.
            let is_for_one = profile.is_some_and(|profile| !profile.aws.is_empty());
            if *alike.get_or_insert(form) != form || (is_for_one && list.len() > 1) {
                return Err(MintError::Combination);
            }
            // Unasked, the shortest default of the audiences holds.
            chosen = Some(chosen.map_or(lifetime, |shortest: Lifetime| shortest.min(lifetime)));
            profiles.extend(profile.cloned());
        }
        match (alike, chosen) {
            (Some((subject, line)), Some(lifetime)) => {
                Ok(Chosen { audiences, subject, lifetime, line, profiles })
            }
            _ => Err(MintError::Combination),
        }
    }
}

/// Whether an app that is limited to these audiences may ask for this one. None: it is not limited.
pub(crate) fn may_ask(allowed: &[Audience], audience: &Audience) -> bool {
    allowed.is_empty() || allowed.contains(audience)
}
