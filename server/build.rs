//! Links the binary at a fixed address: a position-independent executable dirties about a MiB of relocated pages in each
//! process, and there is one monitor process beside every container.

fn main() {
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=server/build.rs");
}
