//! A certificate that an ACME server (RFC 8555) issues for the issuer's host, and renews.
//!
//! The server is shown that this is the host by TLS-ALPN-01 (RFC 8737), on the public listener itself: no
//! other port, no other program. Account, order and certificate are kept sealed in the store, so that a
//! restart goes on where it was. The certificate that serves is given up for nothing but the next one;
//! where the server is away or refuses, it is asked again ever more rarely, and never before the time it
//! names. Nothing is ordered by a clock that cannot be trusted.

mod error;
mod from_acme;
mod order;
mod schedule;
mod transport;

pub(crate) use from_acme::FromAcme;
