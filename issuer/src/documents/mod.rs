//! The public documents as bytes: what the public listener serves and what copies of it consist of.
//!
//! Discovery (OpenID Connect Discovery 1.0 section 4), RFC 8414 metadata, the key set (RFC 7517) and the trust
//! bundle (SPIFFE Trust Domain and Bundle) in its three forms, rendered once when a ring, the bundle or the
//! issuers change. The bytes are a function of those and of configuration alone. Nothing here knows how they are asked for or where they are copied to.

mod authorization_server;
mod document;
mod places;
mod public_documents;

pub(crate) use document::{Document, RenderError};
pub(crate) use places::PlacedDocument;
pub(crate) use public_documents::{DocumentRules, PublicDocuments, Rendered};
