//! What can be wrong with certificates and keys before any connection is made.

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate that should be trusted cannot be used as an authority.
    #[error("a trusted certificate is not usable as an authority")]
    Authority(#[source] rustls::Error),
    /// There is no authority to verify the peer with.
    #[error("no authority is configured, so no peer certificate could ever be verified")]
    ClientVerifier(#[source] rustls::server::VerifierBuilderError),
    /// The certificate chain or its key is unusable, or the two do not belong together.
    #[error("the certificate and the private key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// A root that was named is no certificate.
    #[error("what is named as a trusted root holds no PEM certificate")]
    Root(#[source] rustls_pki_types::pem::Error),
    /// What should be a chain of certificates is none.
    #[error("the certificate chain is no PEM, or holds no certificate")]
    Chain(#[source] rustls_pki_types::pem::Error),
    /// The crypto provider refused TLS 1.3.
    #[error("the crypto provider cannot do the needed TLS versions")]
    Versions(#[source] rustls::Error),
}
