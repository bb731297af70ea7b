//! How a log is kept.

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditOptions {
    /// A file is ended and another begun when it has this many bytes.
    pub rotate_bytes: u64,
    /// Bytes set aside on the disk, so that what is in flight when it is full ends cleanly.
    pub reserve_bytes: u64,
}

impl AuditOptions {
    /// With these sizes.
    #[must_use]
    pub fn new(rotate_bytes: u64, reserve_bytes: u64) -> Self {
        Self { rotate_bytes, reserve_bytes }
    }
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { rotate_bytes: 64 * 1024 * 1024, reserve_bytes: 16 * 1024 * 1024 }
    }
}
