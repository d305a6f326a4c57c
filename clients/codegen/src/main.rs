//! Writes the generated part of `clients/rust` from `proto/`. Run it by `make clients`.

mod hide;

use std::{error::Error, fs, path::Path};

/// Where the generated modules go, one file per protobuf package.
const OUT: &str = "clients/rust/src/generated";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let include = root.join("proto");
    let out = root.join(OUT);

    let mut protos = Vec::new();
    for entry in fs::read_dir(include.join("mailagent/v1"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            protos.push(path);
        }
    }
    // The order of a directory is arbitrary; the output must not be.
    protos.sort();

    let mut descriptors = protox::compile(&protos, [&include])?;
    // Field behaviour is for readers of the protocol; no generated code needs its types.
    descriptors.file.retain(|file| file.package() != "google.api");
    // A package that is gone must not leave its module behind.
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .build_server(false)
        .skip_debug(hide::messages(&descriptors))
        .bytes("mailagent.v1.DownloadMessageResponse.data")
        .bytes("mailagent.v1.DownloadAttachmentResponse.data")
        .bytes("mailagent.v1.DownloadNoteMessageResponse.data")
        .out_dir(&out)
        .compile_fds(descriptors.clone())?;
    hide::append(&descriptors, "mailagent.v1", &out.join("mailagent.v1.rs"))
}
