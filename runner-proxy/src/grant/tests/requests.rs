//! What is sent to a token endpoint: these fields and no others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_daemon::oauth::ClientAssertion;
use moneyer_identity::grant::{AssertionType, GrantKind};
use moneyer_identity::{Audience, Clock as _, SystemClock};

use super::endpoint::{World, cache_of, destination};
use crate::grant::{AssertionError, Assertions, GrantError, Holder, TokenSource as _};

/// The names and values of the last form, as any reader decodes them.
fn last_form(world: &World) -> Vec<(String, String)> {
    let forms = world.endpoint.forms.lock().unwrap();
    let (path, form) = forms.last().unwrap().split_once(' ').unwrap();
    assert_eq!(path, "/token");
    form.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), decode(value))
        })
        .collect()
}

fn decode(value: &str) -> String {
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).unwrap()
}

fn expected(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn client_credentials_have_exactly_their_fields() {
    let world = World::start().await;
    let mut key = world.key();
    world.token(&key).await.unwrap();
    let svid = format!("svid of s for {}", world.endpoint.url);
    let bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", bearer),
        ("client_assertion", svid.as_str()),
        ("audience", "alpha"),
        ("scope", "alpha beta"),
    ];
    assert_eq!(last_form(&world), expected(&fields));

    key.grant.assertion_type = AssertionType::parse(AssertionType::JWT_SPIFFE).unwrap();
    (key.grant.audience, key.grant.scopes) = (None, Vec::new());
    world.token(&key).await.unwrap();
    let spiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", spiffe),
        ("client_assertion", svid.as_str()),
    ];
    assert_eq!(last_form(&world), expected(&fields));
}

#[tokio::test]
async fn an_exchange_has_exactly_its_fields() {
    let world = World::start().await;
    let mut key = world.key();
    key.grant.kind = GrantKind::TokenExchange;
    world.token(&key).await.unwrap();
    let svid = format!("svid of s for {}", world.endpoint.url);
    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", svid.as_str()),
        ("subject_token", "user-for-s"),
        ("subject_token_type", access_token),
        ("requested_token_type", access_token),
        ("audience", "alpha"),
        ("scope", "alpha beta"),
    ];
    assert_eq!(last_form(&world), expected(&fields));
}

#[tokio::test]
async fn without_an_assertion_or_a_users_token_nothing_is_asked() {
    let world = World::start().await;
    let mut nobody = world.key();
    nobody.holder.sandbox = crate::fakes::sandbox("nobody");
    let error = world.token(&nobody).await.unwrap_err();
    assert_eq!(error.class(), moneyer_identity::ErrorClass::Denied);
    let mut detached = world.key();
    detached.grant.kind = GrantKind::TokenExchange;
    detached.grant.provider = moneyer_identity::ProviderName::parse("detached").unwrap();
    world.token(&detached).await.unwrap_err();
    assert_eq!(world.endpoint.asked(), 0);
}

/// JWT-SVIDs that end so many seconds from now.
struct Ending(Mutex<i64>);

#[async_trait]
impl Assertions for Ending {
    async fn jwt_svid(
        &self,
        _holder: &Holder,
        _audience: &Audience,
    ) -> Result<ClientAssertion, AssertionError> {
        let exp = SystemClock.now().0 + *self.0.lock().unwrap();
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
        Ok(ClientAssertion::new(format!("e30.{claims}.c2ln")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_jwt_svid_that_is_the_token_is_kept_until_before_its_end_and_asked_of_nobody() {
    let world = World::start().await;
    let ending = Arc::new(Ending(Mutex::new(100)));
    let cache = cache_of(Arc::clone(&ending) as _).1;
    let mut key = world.key();
    (key.grant.kind, key.grant.endpoint) = (GrantKind::JwtSvid, None);
    let token = async || {
        let token = cache.token(key.clone(), &destination()).await;
        token.map(|token| token.expose().to_owned())
    };
    let first = token().await.unwrap();
    assert!(first.starts_with("e30."), "as it is");
    *ending.0.lock().unwrap() = 200;
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(token().await.unwrap(), first);
    // Of 100 s it is used for 70.
    tokio::time::advance(Duration::from_secs(21)).await;
    assert_ne!(token().await.unwrap(), first);
    assert_eq!(world.endpoint.asked(), 0);
    key.revision = "2".to_owned();
    for ended in [0, -10] {
        *ending.0.lock().unwrap() = ended;
        let cold = cache_of(Arc::clone(&ending) as _).1;
        let refused = cold.token(key.clone(), &destination()).await.unwrap_err();
        assert!(matches!(&*refused, GrantError::Assertion(AssertionError::NoToken)), "{refused}");
    }
}

#[tokio::test]
async fn a_grant_that_names_no_token_endpoint_asks_none() {
    let world = World::start().await;
    let mut key = world.key();
    key.grant.endpoint = None;
    let refused = world.token(&key).await.unwrap_err();
    assert!(matches!(&*refused, GrantError::NoEndpoint), "{refused}");
    assert_eq!(world.endpoint.asked(), 0);
}
