//! An HTTP/1.1 client (RFC 9112) that is small enough to be fast and blocks its thread.
//!
//! One connection, one request at a time, answers framed by `Content-Length` only: what every server
//! under load here sends. It refuses to guess: an answer framed otherwise is an error. Not for use
//! outside measuring, since it trusts the server.

mod answer;
mod connection;
mod load;

pub use answer::AnswerError;
pub use connection::{Connection, Endpoint, HttpError, Stream};
pub(crate) use load::{LoadError, closed_loop, paced};
