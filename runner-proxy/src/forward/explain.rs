//! What would happen to a request, and why: the decision as it is made, with nothing sent and no token asked for.

use std::net::IpAddr;

use http::Uri;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::{Passage, SandboxGrants, TokenGrant};

use super::proxy::ForwardProxy;
use super::refusal::Refusal;
use super::request::{Asked, destination_of};

/// What would happen.
#[derive(Debug, Default)]
pub(crate) struct Explanation {
    /// `passes`, `passes_audited`, `tunnel`, or the word of a refusal.
    pub(crate) outcome: &'static str,
    /// Why, for a person.
    pub(crate) reason: String,
    /// Host and port.
    pub(crate) destination: String,
    /// Path and query in the form that is judged.
    pub(crate) target: String,
    /// Of what the sandbox may do.
    pub(crate) revision: String,
    /// Whose endpoint permits it.
    pub(crate) provider: String,
    /// What would be dialled.
    pub(crate) addresses: Vec<IpAddr>,
    /// What would be put on it.
    pub(crate) tokens: Vec<TokenGrant>,
}

impl ForwardProxy {
    /// Explains a request of a sandbox, whether or not that is attached.
    pub(crate) async fn explain(
        &self,
        sandbox: &SandboxId,
        method: &str,
        url: &str,
    ) -> Explanation {
        let mut told = Explanation::default();
        let permissions = &self.parts.permissions;
        let explained = match permissions.of(sandbox).filter(|_| permissions.are_recent()) {
            Some((_, grants)) => self.follow((sandbox, &grants), method, url, &mut told).await,
            None if permissions.are_recent() => Err(Refusal::NoGrants),
            None => Err(Refusal::Outdated),
        };
        if let Err(refusal) = explained {
            (told.outcome, told.reason) = (refusal.as_str(), crate::chain(&refusal));
        }
        told
    }

    async fn follow(
        &self,
        (sandbox, grants): (&SandboxId, &SandboxGrants),
        method: &str,
        url: &str,
        told: &mut Explanation,
    ) -> Result<(), Refusal> {
        told.revision.clone_from(&grants.revision);
        let no_url = Refusal::Malformed("the URL begins with neither http:// nor https://");
        let uri = url.parse::<Uri>().map_err(|_none| Refusal::Malformed("this is no URL"))?;
        let (port, authority) = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => (80, authority),
            (Some("https"), Some(authority)) => (443, authority),
            _ => return Err(no_url),
        };
        let destination = destination_of(authority.as_str(), port)?;
        told.destination = destination.to_string();
        if grants.destination(&destination) == Passage::Tunnel {
            let ranges = grants.allowed_ips(&destination);
            let pinned = self.parts.dialler.pin(&destination, sandbox).await?;
            told.addresses = pinned.permitted(&ranges.into_iter())?;
            told.outcome = "tunnel";
            "bytes pass as they are, without a token".clone_into(&mut told.reason);
            return Ok(());
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let asked = Asked { destination, method: method.to_owned(), target, upgrades: false };
        let permitted = asked.decide(grants)?;
        permitted.target().as_str().clone_into(&mut told.target);
        permitted.endpoint().provider.as_str().clone_into(&mut told.provider);
        told.tokens = permitted.bindings().iter().map(|binding| binding.grant.clone()).collect();
        let pinned = self.parts.dialler.pin(&asked.destination, sandbox).await?;
        told.addresses = pinned.for_request(&permitted, uri.scheme_str() == Some("https"))?;
        (told.outcome, told.reason) = match permitted.audited() {
            None => ("passes", "an endpoint permits it".to_owned()),
            Some(refusal) => ("passes_audited", format!("it is only audited: {refusal}")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::fakes::sandbox;
    use crate::forward::tests::fixtures::{World, grants};
    use moneyer_identity::grant::{Enforcement, TlsMode};

    #[tokio::test]
    async fn a_request_is_explained_and_nothing_of_it_is_done() {
        let world = World::plain().await;
        let port = world.port();
        let explain = async |id: &str, method: &str, url: &str| {
            let url = url.replace("{P}", &port.to_string());
            world.proxy.explain(&sandbox(id), method, &url).await
        };
        let told = explain("s", "GET", "http://API.test:{P}/%41?b").await;
        assert_eq!((told.outcome, told.target.as_str()), ("passes", "/A?b"), "{told:?}");
        assert_eq!((told.provider.as_str(), told.revision.as_str()), ("demo", "1"));
        assert_eq!((told.addresses.len(), told.tokens.len()), (1, 1));
        for (id, method, url, outcome) in [
            ("s", "DELETE", "http://api.test:{P}/", "policy_denied"),
            ("s", "GET", "http://api.test:{P}/a/../b", "policy_denied"),
            ("s", "GET", "https://evil.test/", "policy_denied"),
            ("s", "GET", "ftp://api.test:{P}/", "bad_request"),
            ("s", "GET", "http://127.1/", "bad_request"),
            ("nobody", "GET", "http://api.test:{P}/", "policy_denied"),
        ] {
            let told = explain(id, method, url).await;
            assert_eq!(told.outcome, outcome, "{method} {url}: {told:?}");
            assert!(!told.reason.is_empty());
        }
        let mut other = grants("2", port);
        other.endpoints[0].enforcement = Enforcement::Audit;
        world.permissions.set("s", other.clone());
        assert_eq!(explain("s", "DELETE", "http://api.test:{P}/").await.outcome, "passes_audited");
        other.endpoints[0].tls = TlsMode::Skip;
        world.permissions.set("s", other);
        assert_eq!(explain("s", "GET", "https://api.test:{P}/").await.outcome, "tunnel");
        *world.names.leads_to.lock().unwrap() = vec!["10.0.0.1".parse().unwrap()];
        let told = explain("s", "GET", "https://api.test:{P}/").await;
        assert_eq!(told.outcome, "destination_address_denied");
        world.assert_untouched("an explanation");
    }
}
