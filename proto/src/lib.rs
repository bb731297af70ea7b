//! The wire between coordinator, runner proxies and sandbox controllers.
//!
//! Generated from `proto/moneyer/v1/*.proto` at build time, and the SPIFFE Workload API from
//! `proto/spiffe/workload.proto`. This crate holds no logic: handlers
//! convert these messages to and from the types of `moneyer-identity` at the edge, and nothing
//! behind the edge sees them.

mod shown;

/// Enrollment, Minting, Placement and the runner proxy's Control, version 1.
#[expect(missing_docs, reason = "generated; the comments of the .proto files are the docs")]
#[expect(unused_qualifications, reason = "generated")]
#[expect(clippy::pedantic, reason = "generated")]
#[expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("moneyer.v1");
}

/// The SPIFFE Workload API, as its specification has it.
#[expect(missing_docs, reason = "generated; the comments of the .proto file are the docs")]
#[expect(unused_qualifications, reason = "generated")]
#[expect(clippy::pedantic, reason = "generated")]
#[expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod workload {
    tonic::include_proto!("_");

    /// The encoded `FileDescriptorSet` of the API, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/workload.bin"));
}
