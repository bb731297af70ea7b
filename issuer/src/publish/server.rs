//! Copies on a web server, by HTTP PUT (RFC 9110 section 9.3.4).

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, header};
use moneyer_daemon::file::read_secret;
use moneyer_daemon::outbound::{OutboundClient, OutboundUrl};
use zeroize::Zeroizing;

use super::error::PublishError;
use crate::config::ServerSection;
use crate::documents::{Document, MEDIA_TYPE, PlacedDocument};

/// Longest secret in bytes: access keys have some dozens, bearer tokens some thousand.
const MAXIMUM_SECRET_BYTES: usize = 16 * 1024;

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

/// What a server has to know to serve a document as it is served here.
pub(super) fn headers_of(document: &Document) -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CACHE_CONTROL, document.cache_control().clone()),
    ])
}

/// A secret that is one line of text.
pub(super) fn one_line(file: &Path) -> Result<Zeroizing<String>, PublishError> {
    let secret = read_secret(file, MAXIMUM_SECRET_BYTES).map_err(PublishError::Secret)?;
    let text = std::str::from_utf8(secret.expose()).map(str::trim).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PublishError::SecretForm(file.to_owned()));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_one_line_of_16_kib_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            one_line(&path)
        };
        assert_eq!(read(b" secret\n").unwrap().as_str(), "secret");
        assert!(read(&vec![b'a'; MAXIMUM_SECRET_BYTES]).is_ok());
        let long = read(&vec![b'a'; MAXIMUM_SECRET_BYTES + 1]);
        assert!(matches!(long, Err(PublishError::Secret(_))), "{long:?}");
        for unfit in [&b""[..], b"two lines\nof it", b"a\0b", b"\xff"] {
            let refused = read(unfit);
            assert!(matches!(refused, Err(PublishError::SecretForm(_))), "{refused:?}");
        }
    }
}
