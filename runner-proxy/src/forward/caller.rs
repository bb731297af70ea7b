//! Which sandbox asks: by the socket in its directory, or by its secret (RFC 7617).
//!
//! It is asked anew for each request, also in a tunnel that is open already, so that one that has left is nobody
//! from then on.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::PROXY_AUTHORIZATION;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::SandboxGrants;
use zeroize::Zeroizing;

use super::permissions::Permissions;
use super::refusal::Refusal;
use crate::coordinator::Occupant;
use crate::grant::Holder;
use crate::sandbox::{Credentials, Stay};

/// Most bytes of proxy credentials: the longest id and a secret, in base64, twice over.
const MAXIMUM_CREDENTIALS_BYTES: usize = 512;

/// By what a sandbox is known.
#[derive(Clone)]
pub(super) enum Caller {
    /// By the socket in its directory, for as long as it stays.
    Socket(Stay),
    /// By its secret, for as long as that is good.
    Secret(Arc<Presented>),
}

/// What was presented, and to whom it is shown again.
pub(super) struct Presented {
    sandbox: SandboxId,
    secret: Zeroizing<Vec<u8>>,
    credentials: Arc<Credentials>,
}

impl Caller {
    /// Whoever presents these proxy credentials: exactly one `Basic`, the id of the sandbox and its secret.
    pub(super) fn of(headers: &HeaderMap, credentials: &Arc<Credentials>) -> Result<Self, Refusal> {
        let mut values = headers.get_all(PROXY_AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::Credentials);
        };
        let (sandbox, secret) = read_basic(value.as_bytes()).ok_or(Refusal::Credentials)?;
        let credentials = Arc::clone(credentials);
        let caller = Self::Secret(Arc::new(Presented { sandbox, secret, credentials }));
        if caller.is_here() { Ok(caller) } else { Err(Refusal::Credentials) }
    }

    /// The sandbox's id.
    pub(super) fn sandbox(&self) -> &SandboxId {
        match self {
            Self::Socket(stay) => stay.sandbox(),
            Self::Secret(presented) => &presented.sandbox,
        }
    }

    /// Whether it is a sandbox that is attached, still.
    pub(super) fn is_here(&self) -> bool {
        self.occupant().is_some()
    }

    /// Who of those that had its id it is, for as long as it is attached.
    fn occupant(&self) -> Option<Occupant> {
        match self {
            Self::Socket(stay) => stay.ending().is_none().then(|| stay.occupant().clone()),
            Self::Secret(presented) => {
                let Presented { sandbox, secret, credentials } = &**presented;
                credentials.occupant_by(sandbox, secret)
            }
        }
    }

    /// Who it is and what it may do now.
    pub(super) fn grants(
        &self,
        permissions: &dyn Permissions,
    ) -> Result<(Holder, Arc<SandboxGrants>), Refusal> {
        let whose = self.occupant().ok_or(Refusal::NoGrants)?;
        if !permissions.are_recent() {
            return Err(Refusal::Outdated);
        }
        let (occupant, grants) = permissions.of(self.sandbox()).ok_or(Refusal::NoGrants)?;
        // Another sandbox may have the id already, before what the one before it had is taken away.
        if occupant.is_another_than(&whose) {
            return Err(Refusal::NoGrants);
        }
        Ok((Holder { sandbox: self.sandbox().clone(), occupant }, grants))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.sandbox())
    }
}

fn read_basic(value: &[u8]) -> Option<(SandboxId, Zeroizing<Vec<u8>>)> {
    if value.len() > MAXIMUM_CREDENTIALS_BYTES {
        return None;
    }
    let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, secret) = decoded.split_at(colon);
    let id = SandboxId::parse(std::str::from_utf8(id).ok()?).ok()?;
    Some((id, Zeroizing::new(secret.strip_prefix(b":")?.to_vec())))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::fakes::sandbox;
    use crate::sandbox::SandboxSecret;

    #[test]
    fn a_sandbox_is_known_by_its_own_secret_and_only_while_that_is_good() {
        let secret = SandboxSecret::random().unwrap();
        let credentials = Arc::new(Credentials::new(SandboxSecret::random().unwrap()));
        credentials.insert(sandbox("a"), secret.clone(), Occupant::of_app("web"));
        credentials.insert(sandbox("b"), SandboxSecret::random().unwrap(), Occupant::of_app("web"));
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let of = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PROXY_AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            Caller::of(&headers, &credentials)
        };
        let good = basic(&format!("a:{}", secret.expose()));
        let caller = of(std::slice::from_ref(&good)).unwrap();
        assert!(caller.is_here() && caller.sandbox() == &sandbox("a"));
        assert!(of(&[good.replace("Basic", "bASIC")]).is_ok());
        for bad in [
            vec![],
            vec![good.clone(), good.clone()],
            vec![basic(&format!("b:{}", secret.expose()))],
            vec![basic(&format!("c:{}", secret.expose()))],
            vec![basic(secret.expose())],
            vec![basic("a:")],
            vec![basic(&format!("a:{}x", secret.expose()))],
            vec![format!("Bearer {}", secret.expose())],
            vec!["Basic ?".to_owned()],
            vec![basic(&"a".repeat(MAXIMUM_CREDENTIALS_BYTES))],
        ] {
            assert!(matches!(of(&bad), Err(Refusal::Credentials)), "{bad:?}");
        }
        credentials.remove(&sandbox("a"));
        assert!(!caller.is_here());
    }
}
