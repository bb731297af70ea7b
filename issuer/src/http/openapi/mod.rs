//! The `OpenAPI` 3.1 document of the management API and of the exchange listener.
//!
//! Paths are a table beside the routers ([`management`], [`exchange`]); bodies are the types that handlers read and
//! write, by their `JsonSchema`; permissions are what [`authenticate`](super::authenticate) asks for. Tests hold the
//! table against the routers in both directions, and a running coordinator against the document. It says nothing of this
//! cluster, so whoever can connect may read it.

mod document;
mod exchange;
mod management;
mod operation;
mod schemas;

pub use document::document;
