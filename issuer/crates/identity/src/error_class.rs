//! What kind of failure an error is, without saying how a protocol spells it.
//!
//! Every domain error has a `class()`. The renderers at the edges (one per protocol) map a class to
//! a status code in an exhaustive `match`; nothing else knows status codes. To a caller across a
//! trust boundary only the class and a request id are told.

/// The kind of a failure, as far as a caller may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request can never succeed as it stands.
    Invalid,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller is known and may not do this.
    Denied,
    /// The thing does not exist, or the caller may not know that it does.
    NotFound,
    /// The thing changed meanwhile, exists already, or is still in use.
    Conflict,
    /// A limit was reached; the same call may succeed later.
    Exhausted,
    /// Something that is needed is away; the same call may succeed later.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Denied,
        Self::NotFound,
        Self::Conflict,
        Self::Exhausted,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The class as a metric label and log field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}
