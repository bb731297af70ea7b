//! What requests that put a document have in common, whoever takes it.

use std::path::Path;

use http::{HeaderMap, header};
use moneyer_daemon::file::read_secret;
use zeroize::Zeroizing;

use super::error::PublishError;
use crate::documents::Document;

/// Longest secret in bytes: access keys have some dozens, bearer tokens some thousand.
const MAXIMUM_SECRET_BYTES: usize = 16 * 1024;

/// What a server has to know to serve a document as it is served here.
pub(super) fn headers_of(document: &Document) -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, document.media_type().clone()),
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
