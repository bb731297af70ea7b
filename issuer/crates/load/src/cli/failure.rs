//! Why there are no figures, told to a person with every cause.

use crate::measure::RawSignatureError;
use crate::report::ReportError;
use crate::stand::ClusterError;
use crate::work::{KeySetError, MintError, TokenServerError};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No async runtime.
    #[error("cannot start the async runtime")]
    Runtime(#[source] std::io::Error),
    /// Nothing to load.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No yardstick.
    #[error(transparent)]
    RawSignature(#[from] RawSignatureError),
    /// `mint` failed.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// `keyset` failed.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// `token-server` failed.
    #[error(transparent)]
    TokenServer(#[from] TokenServerError),
    /// `report` failed.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Nobody reads.
    #[error("cannot print the figures")]
    Print(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use moneyer_identity::error_chain;

    use super::*;
    use crate::stand::Binaries;

    #[tokio::test]
    async fn a_missing_binary_is_one_sentence_to_act_on() {
        let empty = tempfile::tempdir().unwrap();
        let binaries = Binaries::in_directory(Some(empty.path()));
        let error = crate::stand::Cluster::start(&binaries, 1).await.err().unwrap();
        let text = error_chain(&Failure::from(error));
        assert!(text.contains("cargo build --release --bin moneyer"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
