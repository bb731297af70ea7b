//! RFC 5280 path validation by OpenSSL: a second opinion of certificates that others made.

#![expect(clippy::missing_panics_doc, reason = "what cannot be read fails the test")]
#![expect(clippy::expect_used, reason = "what cannot be read fails the test")]

use moneyer_identity::UnixTime;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext};

/// Whether a leaf has a path to one of these anchors at this time, as a server's certificate and as a
/// client's, by the strict rules. Certificates are DER.
pub fn openssl_verifies(
    leaf: &[u8],
    anchors: &[impl AsRef<[u8]>],
    at: UnixTime,
) -> Result<(), String> {
    for purpose in [X509PurposeId::SSL_SERVER, X509PurposeId::SSL_CLIENT] {
        let mut param = X509VerifyParam::new().expect("parameters");
        param.set_time(at.0);
        param.set_flags(X509VerifyFlags::X509_STRICT).expect("a flag");
        param.set_purpose(purpose).expect("a purpose");
        let mut store = X509StoreBuilder::new().expect("a store");
        store.set_param(&param).expect("parameters");
        for anchor in anchors {
            store.add_cert(X509::from_der(anchor.as_ref()).expect("an anchor")).expect("an anchor");
        }
        let leaf = X509::from_der(leaf).expect("a certificate");
        let chain = Stack::new().expect("a chain");
        let mut verification = X509StoreContext::new().expect("a verification");
        let verified = verification.init(&store.build(), &leaf, &chain, |verification| {
            Ok((verification.verify_cert()?, verification.error()))
        });
        let (good, error) = verified.expect("a verification");
        if !good {
            return Err(error.error_string().to_owned());
        }
    }
    Ok(())
}
