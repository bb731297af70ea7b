//! What is written about the coordinator, compared with what it is.
//!
//! The pages under `docs/reference` are generated: a test that finds one out of date writes the new one
//! beside the build and says how to copy it; those of the runner proxy are made by its own tests, in the same way. The
//! others are written by people: README.md, docs/audit.md, docs/claims.md, docs/doctor.md, docs/limits.md,
//! docs/operations.md, docs/relying-parties, docs/runner.md and docs/security.md are read here, and every command, claim,
//! number and name in them tried.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod parties;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod redacted;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod security;
#[cfg(test)]
mod spiffe;
#[cfg(test)]
mod tables;
