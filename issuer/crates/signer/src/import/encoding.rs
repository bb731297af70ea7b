//! Which of the encodings a file is in.
//!
//! PEM says so in its first line and DER in its first two elements. In PEM both have to agree.

use rsa::pkcs8::ObjectIdentifier;
use rsa::pkcs8::der::{Decode as _, Header, Reader as _, SliceReader, Tag};
use zeroize::Zeroizing;

use crate::import::error::ImportError;
use crate::import::pem::{Block, blocks};

/// An encoding of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `PrivateKeyInfo`, RFC 5958.
    Pkcs8,
    /// `RSAPrivateKey`, RFC 8017.
    Pkcs1,
    /// `ECPrivateKey`, RFC 5915.
    Sec1,
    /// OpenSSH's own.
    OpenSsh,
    /// `SubjectPublicKeyInfo`, RFC 5280.
    PublicKey,
    /// `RSAPublicKey`, RFC 8017.
    Pkcs1Public,
}

/// One key, taken out of its file.
pub(super) struct Encoded {
    pub(super) encoding: Encoding,
    pub(super) der: Zeroizing<Vec<u8>>,
    /// The curve that an `EC PARAMETERS` block before the key names.
    pub(super) curve: Option<ObjectIdentifier>,
}

/// Takes the one key out of a file.
pub(super) fn read(file: &[u8]) -> Result<Encoded, ImportError> {
    if file.len() > super::MAXIMUM_KEY_FILE_BYTES {
        return Err(ImportError::TooLarge);
    }
    if file.trim_ascii().is_empty() {
        return Err(ImportError::Empty);
    }
    if file.first() == Some(&0x30) {
        // A text may begin with the same byte, `0`; no DER is text as well.
        if let Ok(encoding) = by_structure(file) {
            return Ok(Encoded { encoding, der: file.to_vec().into(), curve: None });
        }
    }
    let text = std::str::from_utf8(file).map_err(|_bytes| match file.first() {
        Some(0x30) => by_structure(file).err().unwrap_or(ImportError::NotText),
        _ => ImportError::NotText,
    })?;
    only_key(blocks(text)?)
}

fn only_key(blocks: Vec<Block<'_>>) -> Result<Encoded, ImportError> {
    let mut found: Option<Encoded> = None;
    let mut curve = None;
    for Block { label, der } in blocks {
        if label == "EC PARAMETERS" {
            if found.is_some() || curve.is_some() {
                return Err(ImportError::Several);
            }
            // Explicit parameters are a SEQUENCE: whoever writes them can choose a weak generator.
            let oid = ObjectIdentifier::from_der(&der).map_err(|_der| ImportError::Curve)?;
            curve = Some(oid);
            continue;
        }
        let encoding = by_label(label)?;
        if encoding != Encoding::OpenSsh && by_structure(&der)? != encoding {
            return Err(ImportError::Damaged("it does not hold what its first line says"));
        }
        if found.is_some() {
            return Err(ImportError::Several);
        }
        found = Some(Encoded { encoding, der, curve: curve.take() });
    }
    let found = found.ok_or(ImportError::NoKey)?;
    if found.curve.is_some() && found.encoding != Encoding::Sec1 {
        return Err(ImportError::Damaged("parameters of a curve stand before another kind of key"));
    }
    Ok(found)
}

fn by_label(label: &str) -> Result<Encoding, ImportError> {
    match label {
        "PRIVATE KEY" => Ok(Encoding::Pkcs8),
        "RSA PRIVATE KEY" => Ok(Encoding::Pkcs1),
        "EC PRIVATE KEY" => Ok(Encoding::Sec1),
        "OPENSSH PRIVATE KEY" => Ok(Encoding::OpenSsh),
        "PUBLIC KEY" => Ok(Encoding::PublicKey),
        "RSA PUBLIC KEY" => Ok(Encoding::Pkcs1Public),
        "ENCRYPTED PRIVATE KEY" => Err(ImportError::Encrypted),
        "CERTIFICATE"
        | "TRUSTED CERTIFICATE"
        | "X509 CERTIFICATE"
        | "CERTIFICATE REQUEST"
        | "NEW CERTIFICATE REQUEST"
        | "X509 CRL"
        | "PKCS7" => Err(ImportError::Certificate),
        "DSA PRIVATE KEY" | "DSA PARAMETERS" => Err(ImportError::Algorithm),
        _ => Err(ImportError::NoKey),
    }
}

fn by_structure(der: &[u8]) -> Result<Encoding, ImportError> {
    let shape = first_tags(der);
    match shape.map_err(|_der| ImportError::Damaged("its DER is broken"))? {
        (Tag::Integer, Tag::Sequence, _) => Ok(Encoding::Pkcs8),
        (Tag::Integer, Tag::Integer, true) => Ok(Encoding::Pkcs1Public),
        (Tag::Integer, Tag::Integer, false) => Ok(Encoding::Pkcs1),
        (Tag::Integer, Tag::OctetString, _) => Ok(Encoding::Sec1),
        (Tag::Sequence, Tag::BitString, true) => Ok(Encoding::PublicKey),
        (Tag::Sequence, Tag::OctetString, true) => Err(ImportError::Encrypted),
        (Tag::Sequence, Tag::Sequence, _) => Err(ImportError::Certificate),
        _ => Err(ImportError::Damaged("it holds no key in a form that is known")),
    }
}

/// The tags of the first two elements of a sequence, and whether there are no more.
fn first_tags(der: &[u8]) -> rsa::pkcs8::der::Result<(Tag, Tag, bool)> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?.tag.assert_eq(Tag::Sequence)?;
    let mut skip = || {
        let header = Header::decode(&mut reader)?;
        reader.read_slice(header.length)?;
        Ok::<_, rsa::pkcs8::der::Error>((header.tag, reader.is_finished()))
    };
    let ((first, _), (second, last)) = (skip()?, skip()?);
    Ok((first, second, last))
}
