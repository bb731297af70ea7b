//! What STS learns from a token, and what it asks of every token before it looks at a policy.

use std::time::Duration;

use moneyer_identity::{RoleArn, UnixTime};
use serde_json::Value;

use super::policy::strings;
use super::{Look, Verdict};

/// STS forgives this much of a difference of clocks.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

const ROLES_CLAIM: &str = "https://aws.amazon.com/roles";
const TAGS_CLAIM: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY_CLAIM: &str = "https://aws.amazon.com/source_identity";

/// What a token tells STS.
pub(super) struct Told<'a> {
    claims: &'a Value,
    role: Option<&'a RoleArn>,
}

impl<'a> Told<'a> {
    pub(super) fn new(claims: &'a Value, role: Option<&'a RoleArn>) -> Self {
        Self { claims, role }
    }

    /// The issuer as ARNs and condition keys name it: without its scheme.
    pub(super) fn provider(&self) -> Option<&str> {
        let issuer = self.claims.get("iss")?.as_str()?;
        Some(issuer.split_once("://").map_or(issuer, |(_, rest)| rest))
    }

    /// How the ARN of a provider begins that is of the role's account.
    pub(super) fn account(&self) -> Option<String> {
        let arn = self.role?.as_str();
        Some(format!("{}:oidc-provider/", arn.split_once(":role/")?.0))
    }

    /// The actions that the token asks for, and why.
    pub(super) fn actions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let has = |claim: &str| self.claims.get(claim).is_some_and(|value| !value.is_null());
        let tags = has(TAGS_CLAIM).then_some(("sts:TagSession", "the token has session tags"));
        let identity = has(SOURCE_IDENTITY_CLAIM)
            .then_some(("sts:SetSourceIdentity", "the token has a source identity"));
        let assume = ("sts:AssumeRoleWithWebIdentity", "that is what a token is for");
        [Some(assume), tags, identity].into_iter().flatten()
    }

    /// The values of a condition key; `None`: the key is not one that a token gives a value.
    pub(super) fn values(&self, key: &str) -> Option<Vec<String>> {
        if key.eq_ignore_ascii_case("sts:RoleAuthorizedByIdp") {
            return self.is_authorized().map(|is| vec![is.to_string()]);
        }
        if key.eq_ignore_ascii_case("sts:SourceIdentity") {
            return Some(strings(self.claims.get(SOURCE_IDENTITY_CLAIM)));
        }
        if let Some(tag) = strip_prefix(key, "aws:RequestTag/") {
            let tags = self.claims.get(TAGS_CLAIM).and_then(|tags| tags.get("principal_tags"));
            return Some(strings(tags.and_then(|tags| tags.get(tag))));
        }
        let (provider, claim) = key.rsplit_once(':')?;
        if !provider.eq_ignore_ascii_case(self.provider()?) {
            return None;
        }
        match claim.to_ascii_lowercase().as_str() {
            // With an authorized party that is what is compared.
            "aud" => {
                let party = strings(self.claims.get("azp"));
                Some(if party.is_empty() { strings(self.claims.get("aud")) } else { party })
            }
            "oaud" => Some(strings(self.claims.get("aud"))),
            "sub" => Some(strings(self.claims.get("sub"))),
            "azp" => Some(strings(self.claims.get("azp"))),
            "amr" => Some(strings(self.claims.get("amr"))),
            _ => None,
        }
    }

    /// Whether the token names the role; `None`: nobody said which role is asked for.
    fn is_authorized(&self) -> Option<bool> {
        let roles = strings(self.claims.get(ROLES_CLAIM));
        if roles.is_empty() {
            return Some(false);
        }
        self.role.map(|role| roles.iter().any(|named| named == role.as_str()))
    }

    /// What is asked of every token.
    pub(super) fn demands(&self, now: UnixTime) -> Vec<Look> {
        let missing = ["iss", "sub", "aud", "exp", "iat"]
            .into_iter()
            .filter(|claim| self.claims.get(claim).is_none_or(Value::is_null))
            .map(|claim| Look::new(Verdict::Refuses, claim, "is missing: InvalidIdentityToken"));
        missing.chain(self.time(now)).chain(self.several()).chain(self.pinned()).collect()
    }

    fn time(&self, now: UnixTime) -> Option<Look> {
        for claim in ["exp", "iat", "nbf"] {
            let value = self.claims.get(claim).filter(|value| !value.is_null());
            let Some(value) = value else { continue };
            let whole = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            let Some(time) = whole else {
                let found = format!("{value} is no whole number of seconds: InvalidIdentityToken");
                return Some(Look::new(Verdict::Refuses, claim, found));
            };
            if claim != "exp" && UnixTime(time) > now.plus(TOLERANCE) {
                let ahead = UnixTime(time).since(now).as_secs();
                let found =
                    format!("it is {ahead} s ahead: InvalidIdentityToken; set the clocks right");
                return Some(Look::new(Verdict::Refuses, claim, found));
            }
        }
        let ends = self.claims.get("exp")?;
        let ends = UnixTime(ends.as_i64().or_else(|| ends.as_str()?.parse().ok())?);
        let is_over = ends.plus(TOLERANCE) <= now;
        Some(if is_over {
            let ago = now.since(ends).as_secs();
            Look::new(
                Verdict::Refuses,
                "exp",
                format!("it was over {ago} s ago: ExpiredTokenException"),
            )
        } else {
            Look::new(Verdict::Fits, "exp", "it is not over")
        })
    }

    fn several(&self) -> Option<Look> {
        let several = strings(self.claims.get("aud")).len() > 1;
        let alone = several && strings(self.claims.get("azp")).is_empty();
        alone.then(|| {
            let found =
                "the token names several audiences and no azp: InvalidIdentityToken; ask for one";
            Look::new(Verdict::Refuses, "aud", found)
        })
    }

    fn pinned(&self) -> Option<Look> {
        let roles = strings(self.claims.get(ROLES_CLAIM));
        if roles.is_empty() {
            return None;
        }
        let named = roles.join(", ");
        Some(match (self.role, self.is_authorized()) {
            (_, Some(true)) => Look::new(Verdict::Fits, ROLES_CLAIM, "the token names the role"),
            (Some(role), _) => {
                let found = format!(
                    "the token is for {named} and not for {role}: STS refuses it before it looks at the \
                     policy (InvalidIdentityToken)"
                );
                Look::new(Verdict::Refuses, ROLES_CLAIM, found)
            }
            (None, _) => {
                let found =
                    format!("the token is for {named} alone; say with --role which is asked for");
                Look::new(Verdict::Unknown, ROLES_CLAIM, found)
            }
        })
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}
