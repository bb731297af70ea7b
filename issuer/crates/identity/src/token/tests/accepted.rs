//! Good tokens: every algorithm, every signer, and libraries of others that agree.

use ed25519_dalek::pkcs8::DecodePublicKey as _;
use josekit::jws::{ES256, EdDSA, JwsSigner, RS256};
use rsa::pkcs8::DecodePublicKey as _;

use super::forge::{
    AUDIENCE, EC, ED, ISSUER, NOW, RSA, SUBJECT, decode, expected, fixture, quoted, verify,
    verify_by,
};
use crate::audience::{Audience, Audiences};
use crate::aws::AwsClaims;
use crate::claims::{ClaimSet, IdentityType};
use crate::clock::UnixTime;
use crate::component::{AppName, OrganizationId, SandboxId};
use crate::issuer_url::IssuerUrl;
use crate::key::KeyId;
use crate::random_id::TokenId;
use crate::spiffe::TrustDomain;
use crate::subject::{SubjectForm, SubjectParts};
use crate::token::{Expectations, NotItsSignature, UnsignedToken, UnverifiedToken};

fn claim_set() -> ClaimSet {
    let parts = SubjectParts {
        organization: Some(OrganizationId::parse("acme").unwrap()),
        cluster: None,
        trust_domain: TrustDomain::parse("id.example.com").unwrap(),
    };
    let (app, sandbox) = (AppName::parse("web").unwrap(), SandboxId::parse("web-1").unwrap());
    ClaimSet {
        iss: IssuerUrl::parse(ISSUER).unwrap(),
        sub: parts.sandbox(SubjectForm::Sandbox, &app, &sandbox),
        aud: Audiences::one(Audience::parse(AUDIENCE).unwrap()),
        iat: UnixTime(NOW),
        nbf: UnixTime(NOW - 30),
        exp: UnixTime(NOW + 3600),
        jti: TokenId::random().unwrap(),
        organization_id: parts.organization,
        cluster_id: None,
        app: Some(app),
        app_uid: None,
        sandbox_id: Some(sandbox),
        runner_id: None,
        identity_type: IdentityType::Sandbox,
        system_workload: None,
        role: None,
        spiffe_id: None,
        policies: Vec::new(),
        exchanged: None,
        aws: AwsClaims::default(),
    }
}

fn minted(key_id: &KeyId, signer: &dyn JwsSigner) -> String {
    let unsigned = UnsignedToken::new(key_id.clone(), &claim_set()).unwrap();
    unsigned.signed_by(signer).unwrap().expose().to_owned()
}

#[test]
fn a_good_token_of_every_algorithm_says_what_was_claimed() {
    for key in [&RSA, &EC, &ED] {
        let token = verify(&key.good_token()).unwrap();
        assert_eq!(token.subject(), SUBJECT);
        assert_eq!(token.audiences(), [AUDIENCE]);
        assert_eq!(token.issued_at(), UnixTime(NOW));
        assert_eq!(token.expires_at(), UnixTime(NOW + 3600));
        assert_eq!(token.key_id(), key.verifying.key_id());
        assert_eq!(token.claim("iss").unwrap(), ISSUER);
        assert_eq!(token.claims().len(), 7);
    }
}

#[test]
fn what_we_mint_is_accepted_by_us() {
    let signers: [(&KeyId, Box<dyn JwsSigner>); 3] = [
        (
            RSA.verifying.key_id(),
            Box::new(RS256.signer_from_pem(fixture!("rsa-2048-a.pem")).unwrap()),
        ),
        (
            EC.verifying.key_id(),
            Box::new(ES256.signer_from_pem(fixture!("ec-p256-a.pem")).unwrap()),
        ),
        (
            ED.verifying.key_id(),
            Box::new(EdDSA.signer_from_pem(fixture!("ed25519-a.pem")).unwrap()),
        ),
    ];
    for (key_id, signer) in signers {
        let text = minted(key_id, signer.as_ref());
        let token = verify(&text).unwrap();
        assert_eq!((token.subject(), token.key_id()), (SUBJECT, key_id));
        let unverified = UnverifiedToken::parse(&text).unwrap();
        assert_eq!(unverified.issuer().as_deref(), Some(ISSUER));
        assert_eq!(
            (unverified.key_id(), unverified.algorithm().as_str()),
            (key_id, signer.algorithm().name())
        );
    }
}

#[test]
fn the_minted_header_is_exactly_alg_kid_and_typ() {
    let signer = RS256.signer_from_pem(fixture!("rsa-2048-a.pem")).unwrap();
    let token = minted(RSA.verifying.key_id(), &signer);
    let header = decode(token.split('.').next().unwrap());
    let expected = format!(r#"{{"typ":"JWT","kid":{},"alg":"RS256"}}"#, quoted(RSA.kid()));
    assert_eq!(String::from_utf8(header).unwrap(), expected);
}

#[test]
fn a_signer_with_another_key_id_is_refused() {
    let mut signer = RS256.signer_from_pem(fixture!("rsa-2048-a.pem")).unwrap();
    let unsigned = UnsignedToken::new(RSA.verifying.key_id().clone(), &claim_set()).unwrap();
    signer.set_key_id(RSA.kid());
    assert!(unsigned.signed_by(&signer).is_ok());
    signer.set_key_id("another");
    assert!(unsigned.signed_by(&signer).is_err());
}

#[test]
fn a_signature_made_elsewhere_makes_the_same_token_and_another_none() {
    for key in [&RSA, &EC, &ED] {
        let verifying = &key.verifying;
        let unsigned = UnsignedToken::new(verifying.key_id().clone(), &claim_set()).unwrap();
        let input = || unsigned.signing_input(verifying).unwrap();
        let signature = key.sign(input().as_bytes());
        let token = input().signed(verifying, &signature).unwrap();
        assert_eq!(verify(token.expose()).unwrap().key_id(), verifying.key_id());
        assert_eq!(token.expose().matches('.').count(), 2);
        let mut flipped = signature.clone();
        flipped[7] ^= 1;
        let longer = [&signature[..], &[0]].concat();
        for bad in [&flipped[..], &longer, &signature[1..], &[]] {
            assert!(matches!(input().signed(verifying, bad), Err(NotItsSignature)));
        }
        assert_eq!(format!("{:?}", input()), "SigningInput(redacted)");
    }
    let unsigned = UnsignedToken::new(EC.verifying.key_id().clone(), &claim_set()).unwrap();
    assert!(unsigned.signing_input(&RSA.verifying).is_err(), "it names another key");
    let elsewhere = unsigned.signing_input(&EC.verifying).unwrap();
    let here = ES256.signer_from_pem(fixture!("ec-p256-a.pem")).unwrap();
    let here = unsigned.signed_by(&here).unwrap();
    let (signed, _) = here.expose().rsplit_once('.').unwrap();
    assert_eq!(elsewhere.as_bytes(), signed.as_bytes(), "both sign the same bytes");
}

#[test]
fn the_rsa_crate_agrees_on_a_minted_token() {
    /// `DigestInfo` of SHA-256 up to the digest (RFC 8017 section 9.2, note 1).
    const SHA_256: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let key = rsa::RsaPublicKey::from_public_key_pem(fixture!("rsa-2048-a.pub.pem")).unwrap();
    let padding = || rsa::Pkcs1v15Sign { hash_len: Some(32), prefix: SHA_256.into() };
    let signer = RS256.signer_from_pem(fixture!("rsa-2048-a.pem")).unwrap();
    let token = minted(RSA.verifying.key_id(), &signer);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let digest = openssl::sha::sha256(input.as_bytes());
    key.verify(padding(), &digest, &decode(signature)).unwrap();
    let other = openssl::sha::sha256(b"another input");
    assert!(key.verify(padding(), &other, &decode(signature)).is_err());
}

#[test]
fn aws_lc_and_dalek_agree_on_minted_tokens() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    let signer = ES256.signer_from_pem(fixture!("ec-p256-a.pem")).unwrap();
    let token = minted(EC.verifying.key_id(), &signer);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let jwk = EC.verifying.jwk();
    let (x, y) = (decode(jwk.x.as_ref().unwrap()), decode(jwk.y.as_ref().unwrap()));
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], x, y].concat());
    key.verify(input.as_bytes(), &decode(signature)).unwrap();

    let signer = EdDSA.signer_from_pem(fixture!("ed25519-a.pem")).unwrap();
    let token = minted(ED.verifying.key_id(), &signer);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let pem = fixture!("ed25519-a.pub.pem");
    let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&decode(signature)).unwrap();
    key.verify_strict(input.as_bytes(), &signature).unwrap();
}

#[test]
fn several_audiences_only_where_they_are_expected() {
    let claims = super::forge::good_claims().with("aud", format!(r#"["other","{AUDIENCE}"]"#));
    let token = EC.claiming(&claims);
    assert!(verify(&token).is_err());
    let several = Expectations { several_audiences: true, ..expected() };
    assert_eq!(verify_by(&several, &token).unwrap().audiences(), ["other", AUDIENCE]);
}
