//! Generates the Rust side of the wire at build time, with a compiler written in Rust, so that
//! nothing but Cargo is needed.

use std::path::PathBuf;

use prost::Message as _;

/// Messages with a secret in them: `src/shown.rs` shows them without it.
const HOLD_SECRETS: [&str; 8] = [
    ".moneyer.v1.JoinRequest",
    ".moneyer.v1.MintTokenResponse",
    ".moneyer.v1.ExchangeSubjectTokenRequest",
    ".moneyer.v1.ExchangeSubjectTokenResponse",
    ".moneyer.v1.EnvironmentVariable",
    ".X509SVID",
    ".JWTSVID",
    ".ValidateJWTSVIDRequest",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "moneyer/v1/control.proto",
        "moneyer/v1/enrollment.proto",
        "moneyer/v1/grant.proto",
        "moneyer/v1/minting.proto",
        "moneyer/v1/placement.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().skip_debug(HOLD_SECRETS).compile_fds(descriptors)?;

    let workload = "spiffe/workload.proto";
    let descriptors = protox::compile([workload], ["."])?;
    // What the Workload API tells of itself by reflection.
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("Cargo names no OUT_DIR")?);
    std::fs::write(out.join("workload.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(HOLD_SECRETS).compile_fds(descriptors)?;

    for file in files.into_iter().chain([workload]) {
        println!("cargo::rerun-if-changed={file}");
    }
    Ok(())
}
