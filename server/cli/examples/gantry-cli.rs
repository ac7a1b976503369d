//! The command line alone, without the engine: quick to build while working on it.

fn main() {
    std::process::exit(gantry_cli::main(std::env::args_os().collect()));
}
