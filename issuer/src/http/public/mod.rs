//! The public listener: what relying parties read.
//!
//! The [documents](crate::documents), served from memory. No request contributes a byte: not `Host`, which only chooses
//! between the current issuer and a previous one, not `X-Forwarded-*`, not the query. Conditional requests follow RFC 9110 section 13.

mod routes;
mod spiffe_bundle;

pub(crate) use routes::router;
pub(crate) use spiffe_bundle::bundle_router;
