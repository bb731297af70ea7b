//! Grants: what a sandbox may reach, and the tokens that are put on its requests.
//!
//! The coordinator makes these values from profiles and providers, the runner proxy decides by them. Here is what
//! both must read the same way: patterns of hosts and paths and which of two says more, the one form of a
//! destination and of a request's target, where tokens may be asked for and where they may stand (RFC 6750, RFC 7523,
//! RFC 8693, RFC 9110), and [the decision](SandboxGrants::decide) about a request.
//!
//! Nothing here holds a secret but [`BearerToken`], and nothing is repaired: a host, a path or a token that can be
//! read in two ways is refused before any rule is asked.

mod address_range;
mod bearer;
mod decision;
mod glob;
mod host;
mod method;
mod path;
mod placement;
mod rule;
mod sandbox_grants;
mod target;
mod token_endpoint;
mod token_grant;
mod words;

pub use address_range::{AddressRange, AddressRangeError};
pub use bearer::{BearerToken, BearerTokenError, MAXIMUM_BEARER_BYTES};
pub use decision::{Decision, GrantRefusal, Passage, PermittedRequest};
pub use host::{Destination, DestinationError, HostError, HostPattern, MAXIMUM_HOST_BYTES};
pub use method::{MAXIMUM_METHOD_BYTES, Method, MethodError};
pub use path::{MAXIMUM_PATH_PATTERN_BYTES, PathPattern, PathPatternError};
pub use placement::{HeaderNameError, HeaderPlacement, MAXIMUM_HEADER_NAME_BYTES, TokenHeader};
pub use rule::{EndpointRule, QueryRule, RequestRule};
pub use sandbox_grants::{Binding, SandboxGrants};
pub use target::{MAXIMUM_TARGET_BYTES, RequestTarget, TargetError};
pub use token_endpoint::{TokenEndpoint, TokenEndpointError};
pub use token_grant::{
    AssertionType, GrantKind, GrantScope, MAXIMUM_SCOPE_BYTES, MAXIMUM_URN_BYTES, OAuthClientId,
    TokenGrant, TokenTextError, TokenType,
};
pub use words::{Access, Enforcement, Protocol, TlsMode, UnknownWord};
