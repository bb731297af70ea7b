//! A public key as PEM (RFC 7468 section 13, `SubjectPublicKeyInfo`), for verifiers that read no key set.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;

use crate::algorithm::Algorithm;
use crate::key::verifying_key::{KeyError, VerifyingKey};

impl VerifyingKey {
    /// The key as PEM. It says neither `kid` nor algorithm: whoever reads it has to be told them.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = self.to_openssl()?.public_key_to_pem().map_err(invalid)?;
        String::from_utf8(pem).map_err(|error| KeyError::Invalid(Box::new(error)))
    }

    /// The key as DER (`SubjectPublicKeyInfo`, RFC 5280 section 4.1).
    pub fn to_der(&self) -> Result<Vec<u8>, KeyError> {
        self.to_openssl()?.public_key_to_der().map_err(invalid)
    }

    fn to_openssl(&self) -> Result<PKey<Public>, KeyError> {
        let jwk = self.jwk();
        let member = |text: &Option<String>| {
            let text = text.as_deref().ok_or(KeyError::Malformed)?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| KeyError::Malformed)
        };
        let key = match self.algorithm() {
            Algorithm::RS256 => rsa(&member(&jwk.n)?, &member(&jwk.e)?),
            Algorithm::ES256 => p256(&member(&jwk.x)?, &member(&jwk.y)?),
            Algorithm::EdDsa => PKey::public_key_from_raw_bytes(&member(&jwk.x)?, Id::ED25519),
        };
        key.map_err(invalid)
    }
}

fn invalid(error: ErrorStack) -> KeyError {
    KeyError::Invalid(Box::new(error))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let (modulus, exponent) = (BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?);
    PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)
}

fn p256(x: &[u8], y: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let (x, y) = (BigNum::from_slice(x)?, BigNum::from_slice(y)?);
    PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&group, &x, &y)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_it_was_written_as_pem() {
        // RFC 8037 appendix A.2, whose SubjectPublicKeyInfo is its 32 bytes behind a fixed head.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let pem = VerifyingKey::ed25519(&x).unwrap().to_pem().unwrap();
        let expected = "-----BEGIN PUBLIC KEY-----\n\
                        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                        -----END PUBLIC KEY-----\n";
        assert_eq!(pem, expected);

        let modulus = [vec![0xa5; 255], vec![0xa7]].concat();
        let rsa = VerifyingKey::rsa(&modulus, &[1, 0, 1]).unwrap().to_pem().unwrap();
        let read = Rsa::public_key_from_pem(rsa.as_bytes()).unwrap();
        assert_eq!((read.n().to_vec(), read.e().to_vec()), (modulus, vec![1, 0, 1]));
    }

    #[test]
    fn a_point_is_the_same_after_it_was_written_as_pem() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let pair = EcKey::generate(&group).unwrap();
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        pair.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context).unwrap();
        let (x, y) = (x.to_vec_padded(32).unwrap(), y.to_vec_padded(32).unwrap());
        let pem = VerifyingKey::p256(&x, &y).unwrap().to_pem().unwrap();
        let read = EcKey::public_key_from_pem(pem.as_bytes()).unwrap();
        assert!(read.public_key().eq(&group, pair.public_key(), &mut context).unwrap());
    }
}
