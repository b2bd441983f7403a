//! The committed code is what the contracts generate.

use std::fs;
use std::path::Path;

/// With `BULKHEAD_WRITE_PROTO` in the environment it is written instead of compared.
#[test]
fn the_generated_code_is_what_the_contracts_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contracts = root.join("proto");
    let files = ["resource.proto", "stream.proto", "usage.proto"]
        .map(|name| contracts.join("bulkhead/v1").join(name));
    let descriptors = protox::compile(files, [&contracts]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .bytes(".")
        .skip_debug(["."])
        .compile_fds(descriptors)
        .unwrap();
    let generated = fs::read_to_string(out.path().join("bulkhead.v1.rs")).unwrap();
    let committed = root.join("src/generated.rs");
    if std::env::var_os("BULKHEAD_WRITE_PROTO").is_some() {
        fs::write(&committed, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap() == generated,
        "run: BULKHEAD_WRITE_PROTO=1 cargo test -p bulkhead-proto"
    );
}
