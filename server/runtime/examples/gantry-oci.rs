//! The OCI runtime alone, for trying it under podman or containerd without the rest of the program.

fn main() {
    std::process::exit(gantry_runtime::oci::main(std::env::args_os().collect()));
}
