//! Tokens on this host: fetched once, kept until they are renewed, handed out.
//!
//! [`TokenSource`] is the one way to a token: attaching, token files and the token server all ask it.
//! It holds tokens only of sandboxes that are attached at this moment, mints nothing itself, and knows
//! no file, socket or HTTP. [`TokenFiles`] puts tokens into the sandboxes' directories, and
//! [`server`] answers requests for them.

mod batch;
mod cache;
mod files;
mod fingerprint;
mod schedule;
pub(crate) mod server;
mod source;
mod timeline;

pub(crate) use batch::BatchIssuer;
pub(crate) use cache::{CacheLimits, Held, TokenState, is_refusal};
pub(crate) use files::{SandboxFiles, TokenFiles};
pub(crate) use schedule::{Life, REFUSED_PAUSE, Standing, catch_up_window, retry_pause};
pub(crate) use source::{TokenSink, TokenSource};
pub(crate) use timeline::Timeline;
