//! The one binary. Reads its arguments before any thread exists and becomes one role.

mod serve;
mod settings;

use std::ffi::OsString;

fn main() {
    let args: Vec<OsString> = std::env::args_os().collect();
    let role = args.get(1).and_then(|role| role.to_str()).unwrap_or_default();
    let code = match role {
        "serve" => serve::main(&args),
        // Not for people: the server executes these, the first with its end of a socket pair as stdin.
        "spawner" => gantry_monitor::spawner(),
        "oci" => gantry_runtime::oci::main(args),
        _ => gantry_cli::main(args),
    };
    std::process::exit(code);
}
