//! What is written about the runner proxy, compared with what it is.
//!
//! Its pages under `docs/reference` are made as the coordinator's are, by the same code: a test that finds one
//! out of date writes the new one beside the build and says how to copy it. Of the pages that people write,
//! every command of the runner proxy is tried, every configuration read, and docs/runner.md compared.

#[cfg(test)]
mod command_line;
#[cfg(test)]
mod configuration;
#[cfg(test)]
#[path = "../../../issuer/tests/contracts/pages.rs"]
mod pages;
#[cfg(test)]
#[path = "../../../issuer/tests/contracts/reference.rs"]
mod reference;
#[cfg(test)]
mod runner;
