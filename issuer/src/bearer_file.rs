//! Bearer tokens in files, which whoever keeps them exchanges while we run.
//!
//! A file is read anew each time. Whoever watched it would have to watch what its name leads to as well: the
//! kubelet exchanges a symbolic link beside it, others rename over it, and a watch on the file sees the first of that
//! alone. To read it costs microseconds.

use std::path::Path;

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

/// Longest bearer token that is read, in bytes: a service account's has some 1,000.
const MAXIMUM_BEARER_BYTES: u64 = 16 * 1024;

/// The token in a file, or why there is none.
pub(crate) async fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    let told = |error| format!("{} cannot be read: {}", file.display(), crate::chain(&error));
    let opened = tokio::fs::File::open(file).await.map_err(told)?;
    let mut text = Zeroizing::new(String::new());
    opened.take(MAXIMUM_BEARER_BYTES + 1).read_to_string(&mut text).await.map_err(told)?;
    if text.len() as u64 > MAXIMUM_BEARER_BYTES {
        return Err(format!("{} is longer than {MAXIMUM_BEARER_BYTES} bytes", file.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bearer_token_is_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let longest = "x".repeat(usize::try_from(MAXIMUM_BEARER_BYTES).unwrap());
        std::fs::write(&file, &longest).unwrap();
        assert_eq!(read(&file).await.unwrap().as_str(), longest);
        std::fs::write(&file, format!("{longest}x")).unwrap();
        assert!(read(&file).await.unwrap_err().contains("is longer than 16384 bytes"));
        let none = read(&directory.path().join("none")).await.unwrap_err();
        assert!(none.contains("cannot be read"), "{none}");
    }
}
