//! What a certificate says of itself, read once for every place that judges one.
//!
//! RFC 5280 sections 4.1 and 4.2.1, as far as the X509-SVID standard relies on them. Nothing is judged
//! here and no signature is checked. Refused is only what cannot be read: bytes after the certificate, an
//! extension that stands twice or does not parse.

use x509_parser::prelude::{
    FromDer as _, GeneralName, KeyUsage, ParsedExtension, X509Certificate, X509Version,
};

use crate::clock::UnixTime;

/// Longest certificate in bytes that is looked at: one over an RSA-16384 key takes 5 KiB.
pub const MAXIMUM_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than the limit.
    #[error("the certificate is longer than {MAXIMUM_CERTIFICATE_BYTES} bytes")]
    TooLong,
    /// Not DER, or not that of a certificate.
    #[error("the certificate cannot be parsed")]
    Malformed(#[source] x509_parser::error::X509Error),
    /// Something follows it.
    #[error("bytes follow the certificate")]
    Trailing,
    /// An extension stands twice or does not parse.
    #[error("an extension of the certificate stands twice or cannot be parsed")]
    Extension,
}

/// The extended key usages of a certificate that names some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExtendedUsage {
    pub(super) server: bool,
    pub(super) client: bool,
}

/// A certificate's own words.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) parsed: X509Certificate<'a>,
    /// Every URI among the subject's alternative names.
    pub(super) uris: Vec<String>,
    /// Whether the extension with those names is critical.
    pub(super) names_are_critical: bool,
    /// `cA` of basicConstraints, where they stand.
    pub(super) authority: Option<bool>,
    /// The key usage and whether it is critical, where it stands.
    pub(super) usage: Option<(KeyUsage, bool)>,
    /// The extended key usage, where it stands.
    pub(super) extended_usage: Option<ExtendedUsage>,
}

impl<'a> Certificate<'a> {
    /// Reads exactly one certificate.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        if der.len() > MAXIMUM_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLong);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| {
            CertificateError::Malformed(match error {
                x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
                    error
                }
                x509_parser::nom::Err::Incomplete(_) => x509_parser::error::X509Error::Generic,
            })
        })?;
        if !rest.is_empty() {
            return Err(CertificateError::Trailing);
        }
        // Every reader that looks for one extension would see the first of two, or the last.
        parsed.extensions_map().map_err(|_duplicate| CertificateError::Extension)?;
        let mut certificate = Self {
            uris: Vec::new(),
            names_are_critical: false,
            authority: None,
            usage: None,
            extended_usage: None,
            parsed,
        };
        certificate.read_extensions()?;
        Ok(certificate)
    }

    fn read_extensions(&mut self) -> Result<(), CertificateError> {
        for extension in self.parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    self.authority = Some(constraints.ca);
                }
                ParsedExtension::KeyUsage(usage) => {
                    self.usage = Some((*usage, extension.critical));
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    let (server, client) = (usage.server_auth, usage.client_auth);
                    self.extended_usage = Some(ExtendedUsage { server, client });
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    self.names_are_critical = extension.critical;
                    let uris = names.general_names.iter().filter_map(|name| match name {
                        GeneralName::URI(uri) => Some((*uri).to_owned()),
                        _ => None,
                    });
                    self.uris.extend(uris);
                }
                ParsedExtension::ParseError { .. } => return Err(CertificateError::Extension),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it can have extensions at all: those of versions 1 and 2 mean nothing.
    pub(super) fn has_version_3(&self) -> bool {
        self.parsed.version() == X509Version::V3
    }

    /// Whether it may sign certificates or revocation lists.
    pub(super) fn signs_certificates(&self) -> bool {
        self.usage.as_ref().is_some_and(|(usage, _)| usage.key_cert_sign() || usage.crl_sign())
    }

    /// Whether its subject is empty, so that only the alternative names say whose it is.
    pub(super) fn has_no_subject(&self) -> bool {
        self.parsed.subject().iter().next().is_none()
    }

    /// From when and until when.
    pub(super) fn validity(&self) -> (UnixTime, UnixTime) {
        let validity = self.parsed.validity();
        (UnixTime(validity.not_before.timestamp()), UnixTime(validity.not_after.timestamp()))
    }
}
