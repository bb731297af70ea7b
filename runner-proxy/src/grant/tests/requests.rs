//! What is sent to a token endpoint: these fields and no others.

use moneyer_identity::grant::{AssertionType, GrantKind};

use super::endpoint::World;

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
