//! A file that nobody names is a test that nobody runs.

use std::path::{Path, PathBuf};

/// Programs of their own, not part of this one.
const APART: [&str; 1] = ["bench"];

#[test]
fn each_file_of_tests_belongs_to_this_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut lost = Vec::new();
    unnamed(&root, &root.join("main.rs"), &mut lost);
    assert!(lost.is_empty(), "no `mod` line names {lost:?}");
}

/// Adds the modules in `folder` that `parent`, the file that should name them, does not.
fn unnamed(folder: &Path, parent: &Path, lost: &mut Vec<PathBuf>) {
    let names = std::fs::read_to_string(parent).unwrap_or_else(|error| panic!("read {}: {error}", parent.display()));
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8").to_owned();
        let inner = path.join("mod.rs");
        let module = if path.is_dir() { inner.exists() && !APART.contains(&stem.as_str()) } else { path.extension().is_some_and(|end| end == "rs") };
        if !module || path == parent || stem == "mod" {
            continue;
        }
        if !names.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {stem};")) {
            lost.push(path.clone());
        }
        if path.is_dir() {
            unnamed(&path, &inner, lost);
        }
    }
}
