//! The proxy through real sockets, between a hostile client and a hostile upstream.

mod bodies;
pub(super) mod corpus;
mod crowds;
pub(super) mod fixtures;
mod floods;
mod frames;
mod http;
mod intercepted;
mod live;
mod measured;
mod multiplexed;
mod programs;
mod recorded;
mod redacted;
mod responses;
mod slow;
mod streaming;
mod tokens;
mod upstream_tls;
mod websockets;
