//! Builds the init of containers, a program without a library, and leaves it where `init/mod.rs` embeds it.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=init/program.rs");
    let variable = |name: &str| std::env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"));
    let output = PathBuf::from(variable("OUT_DIR")).join("init");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-name", "init", "--crate-type", "bin", "init/program.rs", "--target"]).arg(variable("TARGET"));
    rustc.args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "relocation-model=static", "-C", "strip=symbols", "-C", "force-unwind-tables=no"]);
    for argument in ["-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,noseparate-code", "-Wl,-z,norelro", "-Wl,--gc-sections"]
    {
        rustc.arg(format!("-Clink-arg={argument}"));
    }
    if let Some(linker) = std::env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg({
            let mut argument = std::ffi::OsString::from("linker=");
            argument.push(linker);
            argument
        });
    }
    let status = rustc.arg("-o").arg(&output).status().unwrap_or_else(|error| panic!("run {:?}: {error}", rustc.get_program()));
    assert!(status.success(), "the init of containers can't be built");
}
