//! The public documents as bytes: what the public listener serves and what copies of it consist of.
//!
//! Discovery (OpenID Connect Discovery 1.0 section 4), RFC 8414 metadata and the key set (RFC 7517), rendered
//! once when the ring or the issuers change. The bytes are a function of ring, issuers and configuration
//! alone. Nothing here knows how they are asked for or where they are copied to.

mod document;
mod places;
mod public_documents;

pub(crate) use document::{Document, MEDIA_TYPE, RenderError};
pub(crate) use places::PlacedDocument;
pub(crate) use public_documents::{PublicDocuments, Rendered};
