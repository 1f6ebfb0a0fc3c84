//! Compiles the definitions with protox, so that no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 4] =
    ["ocs/outbound/v1/outbound.proto", "ocs/link/v1/link.proto", "ocs/peer/v1/peer.proto", "ocs/v1/control.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".ocs.peer.v1")
        .bytes(".ocs.outbound.v1")
        .bytes(".ocs.link.v1")
        .compile_fds(descriptors)?;
    Ok(())
}
