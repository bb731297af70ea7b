//! Why a request was refused.

/// What was wrong with the framing of a request. The answer is 400 (431 for a head that is
/// too large) and the connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A line feed without a carriage return (RFC 9112 section 2.2).
    #[error("a line ends in a bare line feed")]
    BareLf,
    /// A carriage return without a line feed (RFC 9112 section 2.2).
    #[error("a bare carriage return")]
    BareCr,
    /// A NUL or another control byte in the head (RFC 9110 section 5.5).
    #[error("a control byte in the head")]
    ControlByte,
    /// The request line is not `METHOD TARGET HTTP/1.x` with single spaces.
    #[error("the request line is malformed")]
    RequestLine,
    /// A method that would open a tunnel, which is not served.
    #[error("tunnels are not served")]
    Tunnel,
    /// A body beside `CONNECT` or `Upgrade`: where it ends and the tunnel begins is not for all readers the same.
    #[error("a body beside CONNECT or Upgrade")]
    TunnelBody,
    /// The target is neither a path, nor an absolute `http` URI, nor `OPTIONS *`.
    #[error("the request target is malformed")]
    Target,
    /// A field line that continues the one before (RFC 9112 section 5.2).
    #[error("a folded field line")]
    Folded,
    /// A field name that is no token; a space before the colon makes it none.
    #[error("a malformed field name")]
    FieldName,
    /// HTTP/1.1 without `Host`, or more than one (RFC 9112 section 3.2).
    #[error("not exactly one Host field")]
    HostCount,
    /// A `Host` that is not a host with an optional port.
    #[error("a malformed Host field")]
    Host,
    /// An absolute target for another authority than `Host`.
    #[error("the target and Host differ")]
    HostMismatch,
    /// More than one `Content-Length`, or one that is not plain digits.
    #[error("a malformed Content-Length")]
    ContentLength,
    /// A `Transfer-Encoding` that is not exactly `chunked`, or any in HTTP/1.0.
    #[error("a Transfer-Encoding other than chunked")]
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoLengths,
    /// A chunk size that is not plain hexadecimal digits, or has an extension.
    #[error("a malformed chunk size")]
    ChunkSize,
    /// Chunk data that does not end where its size said.
    #[error("chunk data of another size")]
    ChunkEnd,
    /// A field after the last chunk.
    #[error("trailers are not accepted")]
    Trailer,
    /// A head larger than the limit.
    #[error("the head is too large")]
    HeadTooLarge,
}
