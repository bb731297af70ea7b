//! One place where copies are written.

use std::time::Duration;

use moneyer_daemon::outbound::OutboundClient;

use super::bucket::Bucket;
use super::directory::Directory;
use super::error::{PublishError, SetUpError};
use super::server::Server;
use crate::config::PublishSection;
use crate::documents::PlacedDocument;

/// Time for all documents: a place that is slower than that is told as one that does not work.
const ALL_DOCUMENTS: Duration = Duration::from_secs(30);

/// One place where copies are written.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Directory(Directory),
    Bucket(Box<Bucket>),
    Server(Server),
}

impl Target {
    /// Every target of a configuration.
    pub(super) fn of(
        section: &PublishSection,
        client: &OutboundClient,
    ) -> Result<Vec<Self>, SetUpError> {
        let directory = section.directory.clone().map(|root| Self::Directory(Directory::new(root)));
        let bucket = section.bucket.as_ref().map(|bucket| Bucket::new(client.clone(), bucket));
        let bucket = bucket.transpose()?.map(Box::new).map(Self::Bucket);
        let server = section.server.as_ref();
        let server = server.map(|server| Self::Server(Server::new(client.clone(), server)));
        Ok([directory, bucket, server].into_iter().flatten().collect())
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Directory(directory) => directory.root().display().to_string(),
            Self::Bucket(bucket) => bucket.name(),
            Self::Server(server) => server.url().to_string(),
        }
    }

    /// Writes documents in their order. The first that fails ends it: what comes after would name what is
    /// not there.
    pub(super) async fn put_all(&self, documents: &[PlacedDocument]) -> Result<(), PublishError> {
        match tokio::time::timeout(ALL_DOCUMENTS, self.put_each(documents)).await {
            Ok(written) => written,
            Err(_elapsed) => Err(PublishError::Slow(ALL_DOCUMENTS)),
        }
    }

    async fn put_each(&self, documents: &[PlacedDocument]) -> Result<(), PublishError> {
        match self {
            Self::Directory(directory) => directory.put_all(documents).await,
            Self::Bucket(bucket) => {
                for placed in documents {
                    bucket.put(placed).await?;
                }
                Ok(())
            }
            Self::Server(server) => {
                for placed in documents {
                    server.put(placed).await?;
                }
                Ok(())
            }
        }
    }
}
