//! Minting: from a permit to a signed token.
//!
//! `iss`, `sub` and every other claim come from configuration and from the records in the permit; a
//! request contributes an audience and a lifetime, as far as policy allows (Cure53 SPI-01-004). The
//! public call reads the clock once. Every token leaves by one gate, where it is recorded first.
//! Nothing here touches the store.

mod choice;
mod draft;
mod error;
mod extras;
mod gate;
mod issuer;
mod length;
mod minter;

pub use error::MintError;
pub(crate) use gate::{Gate, Request};
pub use issuer::PermittedIssuer;
pub use minter::{Ask, Minter, TokenForm};
