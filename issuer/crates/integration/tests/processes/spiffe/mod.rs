//! SPIFFE between sandboxes of live daemons, by the crates `spiffe` and `spiffe-rustls`: software that nobody here
//! wrote, told nothing but where a sandbox's socket is.

mod cluster;
mod mtls;
mod workload;
