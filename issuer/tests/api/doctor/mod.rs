//! `moneyer doctor`, at public hosts that are real TLS servers with a certificate of a test authority.
//!
//! An issuer that AWS takes has no port, and the servers have ports of their own: the look is told where
//! the name is found. Everything else is as it is in the world.

mod broken;
mod command;
mod coordinator;
mod site;
