//! A removal that is acknowledged while a token is being signed holds for that token.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::Charter;
use moneyer_authority::audiences::{AwsExtras, ProfileSpec};
use moneyer_authority::keys::KeyCommand;
use moneyer_authority::login::LoginError;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{AppChange, EndingChange, RegistryError};
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::spiffe::SpiffeIdEnding;
use moneyer_identity::{PolicyName, ProfileName, Token, UnsignedToken, VerifyingKey};
use moneyer_testkit::ForeignIssuer;
use moneyer_testkit::signer::FixtureSigner;
use tokio::sync::Semaphore;

use crate::login;
use crate::world::{World, app, audience, charter, operator, sandbox};

/// Says when a signature was begun, and ends it when it is let.
#[derive(Debug)]
struct HeldSigner {
    inner: FixtureSigner,
    begun: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

#[derive(Debug)]
struct HeldKey {
    inner: Arc<dyn SigningKey>,
    begun: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

#[async_trait]
impl Signer for HeldSigner {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        self.inner.generate(kind).await
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let inner = self.inner.open(verifying_key, handle).await?;
        let (begun, let_go) = (self.begun.clone(), self.let_go.clone());
        Ok(Arc::new(HeldKey { inner, begun, let_go }))
    }
}

#[async_trait]
impl SigningKey for HeldKey {
    fn verifying_key(&self) -> &VerifyingKey {
        self.inner.verifying_key()
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        self.begun.add_permits(1);
        self.let_go.acquire().await.unwrap().forget();
        self.inner.sign(token).await
    }
}

struct Held {
    world: World,
    /// A trust domain that may log in, where the charter says so.
    foreign: ForeignIssuer,
    begun: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl Held {
    async fn new() -> Self {
        Self::of(|_| charter()).await
    }

    async fn of(charter: impl Fn(&ForeignIssuer) -> Charter) -> Self {
        let foreign = ForeignIssuer::new(login::FOREIGN, "one");
        let (begun, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inner = FixtureSigner::default();
        let signer = HeldSigner { inner, begun: begun.clone(), let_go: let_go.clone() };
        let world = World::signing(charter(&foreign), Arc::new(signer)).await;
        Self { world, foreign, begun, let_go }
    }

    async fn begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }
}

#[tokio::test]
async fn a_token_whose_sandbox_left_while_it_was_signed_is_not_given_out() {
    let held = Held::new().await;
    let world = &held.world;
    let (one, _) = world.join("runner-1").await;
    world.join("runner-2").await;
    world.put_app("web").await;
    for leave in ["stays", "moves", "goes", "runner goes"] {
        world.place("web-1", "web", "runner-1").await;
        let (authority, runner) = (world.authority.clone(), one.clone());
        let mint = tokio::spawn(async move {
            authority.mint(&runner, &sandbox("web-1"), Ask::default()).await
        });
        held.begun().await;
        match leave {
            "moves" => drop(world.place("web-1", "web", "runner-2").await),
            "goes" => drop(world.take_away("web-1").await),
            "runner goes" => world.remove_runner("runner-1").await,
            _ => {}
        }
        held.let_go.add_permits(1);
        let minted = mint.await.unwrap();
        if leave == "stays" {
            assert!(minted.is_ok(), "{minted:?}");
        } else {
            let refused = matches!(minted, Err(MintError::Registry(RegistryError::NoSuchSandbox)));
            assert!(refused, "{leave}: {minted:?}");
            // It was recorded before it was signed, so it is recorded that it did not leave.
            let records = world.audit.records();
            let of = |event: &str| records.iter().rfind(|record| record["event"] == event).cloned();
            let (minted, withheld) = (of("token_minted").unwrap(), of("token_withheld").unwrap());
            assert_eq!(minted["jti"], withheld["jti"], "{leave}");
            assert_eq!(withheld["class"], "not_found", "{leave}");
        }
    }
}

#[tokio::test]
async fn the_same_holds_for_whoever_may_place_it() {
    let held = Held::new().await;
    let world = &held.world;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let authority = world.authority.clone();
    let mint = tokio::spawn(async move {
        authority.mint_any(&operator(), &sandbox("web-1"), Ask::default()).await
    });
    held.begun().await;
    world.take_away("web-1").await;
    held.let_go.add_permits(1);
    assert!(matches!(mint.await.unwrap(), Err(MintError::Registry(RegistryError::NoSuchSandbox))));
}

async fn put_profile(world: &World, of: &str) {
    let spec = ProfileSpec {
        algorithm: None,
        name: ProfileName::parse(of).unwrap(),
        preset: None,
        audience: Some(audience(of)),
        subject: None,
        default_lifetime: None,
        maximum_lifetime: None,
        aws: AwsExtras::default(),
    };
    world.authority.put_audience(&operator(), spec).await.unwrap();
}

#[tokio::test]
async fn the_same_holds_for_an_audience_that_its_app_lost_and_for_the_key_that_signs() {
    let held = Held::new().await;
    let world = &held.world;
    let (one, _) = world.join("runner-1").await;
    world.put_app_limited("web", &["sts.amazonaws.com", "vault"]).await;
    world.place("web-1", "web", "runner-1").await;
    for change in ["another audience", "this audience", "another profile", "its profile", "the key"]
    {
        let (authority, runner) = (world.authority.clone(), one.clone());
        let mint = tokio::spawn(async move {
            let audiences = vec![audience("sts.amazonaws.com")];
            let ask = Ask { audiences, ..Ask::default() };
            authority.mint(&runner, &sandbox("web-1"), ask).await
        });
        held.begun().await;
        match change {
            "another audience" => drop(world.put_app_limited("web", &["sts.amazonaws.com"]).await),
            "this audience" => drop(world.put_app_limited("web", &["vault"]).await),
            "another profile" => put_profile(world, "vault").await,
            "its profile" => put_profile(world, "sts.amazonaws.com").await,
            _ => {
                let emergency = KeyCommand::Emergency(None);
                world.authority.command_keys(&operator(), &emergency).await.unwrap();
            }
        }
        held.let_go.add_permits(1);
        let minted = mint.await.unwrap();
        match change {
            "another audience" | "another profile" => drop(minted.unwrap()),
            // Its subject would be another one now.
            "its profile" => assert!(matches!(minted, Err(MintError::Changed)), "{minted:?}"),
            "this audience" => {
                assert!(matches!(minted, Err(MintError::AudienceDenied(_))), "{minted:?}");
                world.put_app_limited("web", &["sts.amazonaws.com"]).await;
            }
            _ => assert!(matches!(minted, Err(MintError::NoKey)), "{minted:?}"),
        }
    }
}

#[tokio::test]
async fn the_same_holds_for_the_id_of_a_jwt_svid() {
    let held = Held::new().await;
    let world = &held.world;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let (authority, runner) = (world.authority.clone(), one.clone());
    let mint = tokio::spawn(async move {
        let ask = Ask { audiences: vec![audience("vault")], ..Ask::default() };
        authority.mint_jwt_svid(&runner, &sandbox("web-1"), ask).await
    });
    held.begun().await;
    let spiffe_ending = EndingChange::Own(SpiffeIdEnding::parse("").unwrap());
    let change = AppChange { name: app("web"), audiences: vec![], accounts: None, spiffe_ending };
    world.authority.put_app(&operator(), change).await.unwrap();
    held.let_go.add_permits(1);
    let minted = mint.await.unwrap();
    assert!(matches!(minted, Err(MintError::Changed)), "{minted:?}");
}

#[tokio::test]
async fn a_token_whose_policies_changed_while_it_was_signed_is_not_given_out() {
    let held = Held::of(login::chartered).await;
    let (world, foreign) = (&held.world, &held.foreign);
    let put = async |permissions: &[&str]| {
        let policy = login::allow("builds", "other.example/build/*", permissions);
        world.authority.put_policy(&operator(), policy).await.unwrap();
    };
    for change in ["nothing", "another", "less", "narrower", "removed"] {
        put(&["apps:write", "apps:read"]).await;
        let svid = login::svid(foreign, "/build/one", world.now(), serde_json::json!({}));
        let authority = world.authority.clone();
        let logging_in = tokio::spawn(async move { login::log_in(&authority, &svid, None).await });
        held.begun().await;
        let other = |pattern| login::allow("other", pattern, &["apps:read"]);
        match change {
            "another" => {
                let other = other("other.example/elsewhere");
                world.authority.put_policy(&operator(), other).await.unwrap();
            }
            "less" => put(&["apps:read"]).await,
            "narrower" => {
                let narrower = other("other.example/build/one");
                world.authority.put_policy(&operator(), narrower).await.unwrap();
            }
            "removed" => {
                for name in ["builds", "other"] {
                    let name = PolicyName::parse(name).unwrap();
                    world.authority.remove_policy(&operator(), name).await.unwrap();
                }
            }
            _ => {}
        }
        held.let_go.add_permits(1);
        let outcome = logging_in.await.unwrap();
        if ["nothing", "another"].contains(&change) {
            assert!(outcome.is_ok(), "{change}: {outcome:?}");
            continue;
        }
        let withheld = matches!(outcome, Err(LoginError::Mint(MintError::Policies)));
        assert!(withheld, "{change}: {outcome:?}");
        let record = world.audit.records().pop().unwrap();
        assert_eq!(record["event"], "token_withheld", "{change}");
        assert_eq!(record["who"], "workload:spiffe://other.example/build/one", "{change}");
    }
}
