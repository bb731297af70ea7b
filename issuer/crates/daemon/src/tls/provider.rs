//! The one crypto provider.
//!
//! Libraries that ask rustls for "the default provider" (reqwest does) get aws-lc-rs once
//! [`install_provider`] has run; configurations made in this crate name it themselves and
//! do not depend on that.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// Makes aws-lc-rs the provider of the process. Calling it again changes nothing.
pub fn install_provider() {
    // The error says only that one is installed already.
    drop(aws_lc_rs::default_provider().install_default());
}

/// The provider for configurations made here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}
