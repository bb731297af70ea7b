//! The command line of `moneyer`.
//!
//! One file a noun. Commands that change or list records talk to a running coordinator over its
//! management socket; `init`, `config`, `audit`, `key adopt`, `token inspect`, `trust explain`,
//! `profile lint` and `doctor ISSUER` need none. Records are printed as a table, or with `--output json` as JSON. Exit codes:
//! 0 done, 1 failed, 2 usage, 65 store or audit log refused, 76 an issuer that relying parties refuse, 78
//! bad configuration.

mod adoption;
mod app;
mod arguments;
mod audience;
mod audit;
mod client;
mod clock;
mod config;
mod controller;
mod dev;
mod doctor;
mod failure;
mod federation;
mod held;
mod import;
mod init;
mod input;
mod issuer;
mod key;
mod living_tokens;
mod mapping;
mod output;
mod policy;
mod profile;
mod provider;
mod publish;
mod recovery;
mod runner;
mod sandbox;
mod scope;
mod self_check;
mod serve;
mod store;
mod token;
mod trust;
mod verification;
mod x509_authorities;

pub use arguments::{Arguments, run};
