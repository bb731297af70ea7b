//! The coordinator's interfaces, asked over their sockets.
//!
//! Files follow the URL tree, and the services of the wire. Every test starts a coordinator of its own
//! in this process, with a store, keys and listeners as in a cluster, and a clock it can move. One
//! program, so that it is linked once.

#[cfg(test)]
mod doctor;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod login;
#[cfg(test)]
mod management;
#[cfg(test)]
mod member;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod public;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod signers;
#[cfg(test)]
mod world;
