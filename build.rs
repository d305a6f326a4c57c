//! Generates the server's Rust code from `proto/` without an installed protoc.

use std::{env, error::Error, path::PathBuf};

use prost::Message;

#[path = "clients/codegen/src/hide.rs"]
mod hide;

const PROTOS: &[&str] = &[
    "proto/mailagent/v1/agent_service.proto",
    "proto/mailagent/v1/archive_service.proto",
    "proto/mailagent/v1/directory_service.proto",
    "proto/mailagent/v1/error_reason.proto",
    "proto/mailagent/v1/login.proto",
    "proto/mailagent/v1/settings_service.proto",
    "proto/mailagent/v1/sweep_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(false)
        .skip_debug(hide::messages(&descriptors))
        .bytes("mailagent.v1.DownloadMessageResponse.data")
        .bytes("mailagent.v1.DownloadAttachmentResponse.data")
        .bytes("mailagent.v1.DownloadNoteMessageResponse.data")
        .compile_fds(descriptors.clone())?;
    hide::append(&descriptors, "mailagent.v1", &out.join("mailagent.v1.rs"))
}
