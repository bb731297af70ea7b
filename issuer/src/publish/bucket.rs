//! Copies in a bucket that speaks the S3 protocol, signed with AWS Signature Version 4 in the query.

use std::time::Duration;

use moneyer_daemon::outbound::{OutboundClient, OutboundUrl};
use rusty_s3::{Credentials, S3Action as _, UrlStyle};

use super::error::{PublishError, SetUpError};
use super::request::{headers_of, one_line};
use crate::config::BucketSection;
use crate::documents::PlacedDocument;

/// How long a signed address is good: the request follows at once, and clocks may differ by seconds.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(60);

/// A bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    client: OutboundClient,
    address: rusty_s3::Bucket,
    section: BucketSection,
}

impl Bucket {
    pub(super) fn new(client: OutboundClient, section: &BucketSection) -> Result<Self, SetUpError> {
        let section = section.clone();
        let style = if section.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let BucketSection { endpoint, name, region, .. } = section.clone();
        let endpoint = endpoint.into_url();
        let address = rusty_s3::Bucket::new(endpoint, style, name, region);
        Ok(Self { client, address: address.map_err(SetUpError::Bucket)?, section })
    }

    /// The bucket and the prefix, as people write it.
    pub(super) fn name(&self) -> String {
        format!("s3://{}/{}", self.section.name, self.section.prefix.trim_matches('/'))
    }

    /// Puts a document.
    pub(super) async fn put(&self, placed: &PlacedDocument) -> Result<(), PublishError> {
        let key = self.key(&placed.path);
        let secret = one_line(&self.section.secret_key_file)?;
        let credentials = Credentials::new(&self.section.access_key_id, secret.as_str());
        let headers = headers_of(&placed.document);
        let mut action = self.address.put_object(Some(&credentials), &key);
        for (name, value) in &headers {
            let value = value.to_str().unwrap_or_default().to_owned();
            action.headers_mut().insert(name.as_str(), value);
        }
        let signed = action.sign(SIGNATURE_LIFETIME);
        let put = |source| PublishError::Put {
            name: format!("s3://{}/{key}", self.section.name),
            source,
        };
        let url = OutboundUrl::parse(signed.as_str()).map_err(put)?;
        let body = placed.document.body().clone();
        self.client.put(url, headers, body).await.map_err(put)
    }

    fn key(&self, path: &str) -> String {
        let prefix = self.section.prefix.trim_matches('/');
        let path = path.trim_start_matches('/');
        if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
    }
}
