//! Copies on a web server, by HTTP PUT (RFC 9110 section 9.3.4).

use std::path::PathBuf;

use http::{HeaderValue, header};
use moneyer_daemon::outbound::{OutboundClient, OutboundUrl};

use super::error::PublishError;
use super::request::{headers_of, one_line};
use crate::config::ServerSection;
use crate::documents::PlacedDocument;

/// A web server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    client: OutboundClient,
    url: OutboundUrl,
    bearer_file: Option<PathBuf>,
}

impl Server {
    pub(super) fn new(client: OutboundClient, section: &ServerSection) -> Self {
        let ServerSection { url, bearer_file } = section.clone();
        Self { client, url, bearer_file }
    }

    pub(super) fn url(&self) -> &OutboundUrl {
        &self.url
    }

    /// Puts a document.
    pub(super) async fn put(&self, placed: &PlacedDocument) -> Result<(), PublishError> {
        let name = format!("{}{}", self.url.as_str().trim_end_matches('/'), placed.path);
        let mut headers = headers_of(&placed.document);
        if let Some(file) = &self.bearer_file {
            let token = one_line(file)?;
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.as_str()));
            let mut bearer = bearer.map_err(|_unfit| PublishError::SecretForm(file.clone()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let put = |source| PublishError::Put { name: name.clone(), source };
        let url = OutboundUrl::parse(&name).map_err(put)?;
        let body = placed.document.body().clone();
        self.client.put(url, headers, body).await.map_err(put)
    }
}
