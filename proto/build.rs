//! Compiles the definitions with protox, so that no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 5] = [
    "ocs/outbound/v1/declaration.proto",
    "ocs/outbound/v1/outbound.proto",
    "ocs/link/v1/link.proto",
    "ocs/peer/v1/peer.proto",
    "ocs/v1/control.proto",
];

/// Messages that rows of the state hold; the generator derives `Eq` for messages without repeated messages by itself.
const DECLARED: [&str; 7] = [
    "Declaration",
    "DeclaredCalendar",
    "DeclaredHours",
    "DeclaredPairs",
    "DeclaredList",
    "DeclaredCampaign",
    "CampaignLists",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut builder = tonic_prost_build::configure();
    for message in DECLARED {
        builder = builder.type_attribute(format!(".ocs.outbound.v1.{message}"), "#[derive(Eq)]");
    }
    builder.bytes(".ocs.peer.v1").bytes(".ocs.outbound.v1").bytes(".ocs.link.v1").compile_fds(descriptors)?;
    Ok(())
}
