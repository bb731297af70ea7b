//! `moneyer doctor`: an issuer looked at from outside, and a coordinator's own word held against it.
//!
//! The looks and the rules are those of [`crate::doctor`]; here they are asked for and printed.

mod command;
mod inside;
mod report;

pub(super) use command::{DoctorArguments, run};
