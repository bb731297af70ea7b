//! Generates the Rust side of the wire at build time, with a compiler written in Rust, so that
//! nothing but Cargo is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "moneyer/v1/control.proto",
        "moneyer/v1/enrollment.proto",
        "moneyer/v1/minting.proto",
        "moneyer/v1/placement.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    Ok(())
}
