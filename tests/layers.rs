//! The house has layers, and arrows only point down: compares `cargo metadata` with the table of `server/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate with the crates of ours it may import.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("plan", &["model"]),
    ("wire", &["model"]),
    ("runtime", &["model", "plan"]),
    ("images", &["model"]),
    ("store", &["model"]),
    ("registry", &["model"]),
    ("engine", &["model", "plan", "wire", "runtime", "images", "store", "registry"]),
    ("monitor", &["model", "plan", "wire", "runtime"]),
    ("api", &["model", "wire", "engine"]),
    ("pages", &["model", "engine"]),
    ("cli", &["model", "wire"]),
];

#[test]
fn no_crate_imports_a_crate_beside_or_above_it() {
    let imports = imports();
    for (name, allowed) in ALLOWED {
        let found = imports.get(name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
        let wrong: Vec<_> = found.difference(&allowed).collect();
        assert!(wrong.is_empty(), "{name} imports {wrong:?}; see server/ARCHITECTURE.md");
    }
    assert_eq!(imports.len(), ALLOWED.len(), "a new crate needs a row in the table");
}

/// Crates of ours by name without `gantry-`, each with what it imports of ours (tests may import more).
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", manifest])
        .output()
        .expect("run cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let ours = |name: &serde_json::Value| name.as_str().and_then(|name| name.strip_prefix("gantry-")).map(str::to_owned);
    let packages = metadata["packages"].as_array().expect("has packages");
    packages
        .iter()
        .filter_map(|package| {
            let dependencies = package["dependencies"].as_array().expect("has dependencies");
            let imported = dependencies.iter().filter(|dependency| dependency["kind"].is_null()).filter_map(|dependency| ours(&dependency["name"])).collect();
            Some((ours(&package["name"])?, imported))
        })
        .collect()
}
