//! Where a sealed record belongs.
//!
//! The place is the associated data of AES-GCM (NIST SP 800-38D): it is not stored with the record but
//! named by whoever opens it. Every part has its length before it, so no two places share their bytes.

/// Format and version of the associated data.
const LABEL: &[u8] = b"moneyer sealed record v1";

/// Where a sealed record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The cluster whose record it is.
    pub cluster: &'a str,
    /// Its name: `<collection>/<id>`.
    pub record: &'a str,
    /// The generation of the store that wrote it.
    pub generation: u64,
}

impl Place<'_> {
    /// The associated data.
    pub(super) fn associated_data(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [LABEL, self.cluster.as_bytes(), self.record.as_bytes()] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes
    }
}
