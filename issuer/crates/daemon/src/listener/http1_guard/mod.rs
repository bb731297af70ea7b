//! A reader of HTTP/1 framing that stands before hyper and is stricter.
//!
//! Where two readers of one byte stream disagree on where a message ends, a request can be
//! smuggled past one of them (RFC 9112 section 11.2). hyper accepts bare line feeds, two
//! `Host` fields, none at all, and `Content-Length` beside `Transfer-Encoding`; all of
//! these, and every other odd form in [`Refusal`], are refused here. A head reaches hyper
//! only whole and checked. Nothing is repaired: what is not exactly in form is refused.

mod chunked;
mod framing;
mod head;
mod io;
mod refusal;
#[cfg(test)]
mod tests;

pub use io::Guard;
pub use refusal::Refusal;
