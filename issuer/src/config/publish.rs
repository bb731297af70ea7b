//! `[publish]`: copies of the public documents, and where relying parties read them.

use std::path::PathBuf;

use moneyer_daemon::outbound::OutboundUrl;
use moneyer_daemon::settings::Span;
use moneyer_identity::IssuerUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Copies of the public documents as files, for an issuer whose URL leads to a bucket or another web server.
/// Without any of it relying parties read from the public listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublishSection {
    /// A directory that is there and that the web server of the issuer's host has for its root. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// A bucket that speaks the S3 protocol. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketSection>,
    /// A web server that takes documents by HTTP PUT. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSection>,
    /// How often all copies are written anew, beside every change. Default: `10m`.
    pub every: Span,
    /// Where relying parties read: the issuer's URL, as a rule. No key signs that is not seen there.
    /// Default: none, and what was written is taken for what is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_url: Option<IssuerUrl>,
    /// How often it is looked what relying parties read. Default: `30s`.
    pub verify_every: Span,
    /// PEM files with roots that are trusted beside the system's, for servers of a private authority.
    /// Default: none.
    pub roots: Vec<PathBuf>,
}

impl Default for PublishSection {
    fn default() -> Self {
        Self {
            directory: None,
            bucket: None,
            server: None,
            every: Span::from_secs(600),
            verify_url: None,
            verify_every: Span::from_secs(30),
            roots: Vec::new(),
        }
    }
}

impl PublishSection {
    /// The addresses that paths are appended to, with their keys.
    pub(super) fn urls(&self) -> impl Iterator<Item = (&'static str, &OutboundUrl)> {
        let bucket = self.bucket.iter().map(|bucket| ("publish.bucket.endpoint", &bucket.endpoint));
        let server = self.server.iter().map(|server| ("publish.server.url", &server.url));
        bucket.chain(server)
    }
}

/// A bucket that speaks the S3 protocol.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketSection {
    /// Where the service is, such as `https://s3.eu-central-1.amazonaws.com`. Required.
    pub endpoint: OutboundUrl,
    /// Name of the bucket. Required.
    pub name: String,
    /// The region that requests are signed for. Required.
    pub region: String,
    /// What the names of all objects begin with, such as `clusters/prod-1`. Default: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The id of the access key. Required.
    pub access_key_id: String,
    /// A file with the secret access key that only its owner may read. It is read for every copy, so it may
    /// be replaced. Required.
    pub secret_key_file: PathBuf,
    /// Name the bucket in the path and not in the host: `MinIO` and Ceph want that. Default: `false`.
    #[serde(default)]
    pub path_style: bool,
}

/// A web server that takes documents by HTTP PUT.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// What the paths of the documents are appended to. Required.
    pub url: OutboundUrl,
    /// A file with a bearer token that only its owner may read. It is read for every copy, so it may be
    /// replaced. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_file: Option<PathBuf>,
}
