//! The public listener: what relying parties read.
//!
//! Discovery (OpenID Connect Discovery 1.0 section 4), RFC 8414 metadata and the key set, rendered once
//! when the ring changes and served from memory. No request contributes a byte: not `Host`, which only chooses
//! between the current issuer and a previous one, not `X-Forwarded-*`, not the query. Conditional requests follow RFC 9110 section 13.

mod document;
mod routes;

pub(crate) use document::{PublicDocuments, RenderError};
pub(crate) use routes::router;
