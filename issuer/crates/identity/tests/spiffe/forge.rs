//! Keys, certificates and bundle entries made by hand.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{UnixTime, VerifyingKey};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, BigNumContext, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Ref};
use serde_json::{Value, json};

/// When the tests take place: 2027.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

pub(crate) const DOMAIN: &str = "example.org";

pub(crate) fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

pub(crate) fn fixture(name: &str) -> PKey<Private> {
    let path = format!("{}/../testkit/fixtures/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    PKey::private_key_from_pem(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(crate) fn p256() -> PKey<Private> {
    ec(Nid::X9_62_PRIME256V1)
}

/// The members of the key, as a JSON Web Key has them.
pub(crate) fn jwk(key: &PKey<Private>) -> Value {
    let text = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    match key.id() {
        Id::RSA => {
            let key = key.rsa().unwrap();
            json!({"kty": "RSA", "n": text(key.n().to_vec()), "e": text(key.e().to_vec())})
        }
        Id::EC => {
            let key = key.ec_key().unwrap();
            let (name, width) = match key.group().curve_name().unwrap() {
                Nid::X9_62_PRIME256V1 => ("P-256", 32),
                Nid::SECP384R1 => ("P-384", 48),
                Nid::SECP521R1 => ("P-521", 66),
                Nid::SECP256K1 => ("secp256k1", 32),
                other => panic!("{other:?}"),
            };
            let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
            let mut context = BigNumContext::new().unwrap();
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
            let padded = |number: BigNum| text(number.to_vec_padded(width).unwrap());
            json!({"kty": "EC", "crv": name, "x": padded(x), "y": padded(y)})
        }
        _ => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.raw_public_key().unwrap())}),
    }
}

/// One of our own keys.
pub(crate) fn verifying_key(key: &PKey<Private>) -> VerifyingKey {
    VerifyingKey::from_jwk(&serde_json::from_value(jwk(key)).unwrap()).unwrap()
}

/// The same object with other members; `null` takes one away.
pub(crate) fn with(mut object: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("{members}") };
    for (name, value) in members {
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(&name),
            value => object.as_object_mut().unwrap().insert(name, value),
        };
    }
    object
}

/// A JWT authority's entry in a bundle.
pub(crate) fn jwt_entry(key: &PKey<Private>, kid: &str) -> Value {
    with(jwk(key), json!({"use": "jwt-svid", "kid": kid}))
}

/// An X.509 authority's entry in a bundle.
pub(crate) fn x509_entry(key: &PKey<Private>, certificate: &X509Ref) -> Value {
    let der = STANDARD.encode(certificate.to_der().unwrap());
    with(jwk(key), json!({"use": "x509-svid", "x5c": [der]}))
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) subject: Option<String>,
    pub(crate) uris: Vec<String>,
    pub(crate) dns: Vec<String>,
    pub(crate) names_are_critical: bool,
    /// `cA`; none: no basicConstraints at all.
    pub(crate) authority: Option<bool>,
    /// Names of usages and whether the extension is critical; none: no key usage at all.
    pub(crate) usage: Option<(Vec<&'static str>, bool)>,
    /// `serverAuth`, `clientAuth`.
    pub(crate) extended: Option<(bool, bool)>,
    pub(crate) validity: (UnixTime, UnixTime),
}

impl Form {
    /// A CA as appendix A of the X509-SVID standard has it.
    pub(crate) fn authority(name: &str) -> Self {
        Self {
            subject: Some(name.to_owned()),
            uris: vec![format!("spiffe://{DOMAIN}")],
            dns: Vec::new(),
            names_are_critical: false,
            authority: Some(true),
            usage: Some((vec!["keyCertSign", "cRLSign"], true)),
            extended: None,
            validity: (UnixTime(NOW.0 - 3600), UnixTime(NOW.0 + 86_400)),
        }
    }

    /// A leaf as section 4 has it.
    pub(crate) fn leaf(id: &str) -> Self {
        Self {
            subject: None,
            uris: vec![id.to_owned()],
            names_are_critical: true,
            authority: Some(false),
            usage: Some((vec!["digitalSignature"], true)),
            extended: Some((true, true)),
            validity: (UnixTime(NOW.0 - 60), UnixTime(NOW.0 + 3600)),
            ..Self::authority("")
        }
    }

    pub(crate) fn self_signed(&self, key: &PKey<Private>) -> X509 {
        self.build(key, None, key, |builder| self.extend(builder))
    }

    pub(crate) fn signed_by(
        &self,
        key: &PKey<Private>,
        issuer: &X509Ref,
        issuer_key: &PKey<Private>,
    ) -> X509 {
        self.build(key, Some(issuer), issuer_key, |builder| self.extend(builder))
    }

    /// The same with other names, which `extend` adds.
    pub(crate) fn signed_by_with(
        &self,
        key: &PKey<Private>,
        issuer: &X509Ref,
        issuer_key: &PKey<Private>,
        extend: impl Fn(&mut X509Builder),
    ) -> X509 {
        let nameless = Self { uris: vec![], ..self.clone() };
        self.build(key, Some(issuer), issuer_key, |builder| {
            nameless.extend(builder);
            extend(builder);
        })
    }

    fn build(
        &self,
        key: &PKey<Private>,
        issuer: Option<&X509Ref>,
        signer: &PKey<Private>,
        extend: impl Fn(&mut X509Builder),
    ) -> X509 {
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        if let Some(subject) = &self.subject {
            name.append_entry_by_nid(Nid::COMMONNAME, subject).unwrap();
        }
        let name = name.build();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(issuer.map_or(&name, X509Ref::subject_name)).unwrap();
        let (from, until) = self.validity;
        builder.set_not_before(&Asn1Time::from_unix(from.0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(until.0).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        extend(&mut builder);
        let digest = match signer.id() {
            Id::ED25519 => MessageDigest::null(),
            _ => MessageDigest::sha256(),
        };
        builder.sign(signer, digest).unwrap();
        builder.build()
    }

    fn extend(&self, builder: &mut X509Builder) {
        if let Some(authority) = self.authority {
            let mut constraints = BasicConstraints::new();
            constraints.critical();
            if authority {
                constraints.ca();
            }
            builder.append_extension(constraints.build().unwrap()).unwrap();
        }
        if let Some((usages, critical)) = &self.usage {
            let mut usage = KeyUsage::new();
            if *critical {
                usage.critical();
            }
            for name in usages {
                match *name {
                    "digitalSignature" => usage.digital_signature(),
                    "keyEncipherment" => usage.key_encipherment(),
                    "keyAgreement" => usage.key_agreement(),
                    "keyCertSign" => usage.key_cert_sign(),
                    "cRLSign" => usage.crl_sign(),
                    other => panic!("{other}"),
                };
            }
            builder.append_extension(usage.build().unwrap()).unwrap();
        }
        if let Some((server, client)) = self.extended {
            let mut extended = ExtendedKeyUsage::new();
            if server {
                extended.server_auth();
            }
            if client {
                extended.client_auth();
            }
            if !server && !client {
                extended.code_signing();
            }
            builder.append_extension(extended.build().unwrap()).unwrap();
        }
        if !self.uris.is_empty() || !self.dns.is_empty() {
            let mut names = SubjectAlternativeName::new();
            if self.names_are_critical {
                names.critical();
            }
            for uri in &self.uris {
                names.uri(uri);
            }
            for name in &self.dns {
                names.dns(name);
            }
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
    }
}

/// A CA of the tests' trust domain.
pub(crate) struct Ca {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = p256();
        let certificate = Form::authority(name).self_signed(&key);
        Self { key, certificate }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    pub(crate) fn entry(&self) -> Value {
        x509_entry(&self.key, &self.certificate)
    }
}
