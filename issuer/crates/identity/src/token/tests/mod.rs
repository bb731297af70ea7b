//! What the verifier refuses, case by case, and that nothing it accepts breaks the contract.
//!
//! The numbers in the tables are those of the list of hostile inputs (72 to 98: verifying JWTs). A
//! case is a complete token, signed with a real key wherever a signature is reached, and the one
//! refusal it must meet, so that no case passes because an earlier check refused it.

mod accepted;
mod bits;
mod claims;
mod forge;
mod headers;
mod limits;
mod shapes;
mod signatures;
