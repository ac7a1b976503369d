//! Archives of real tools, given by the variable `GANTRY_TEST_ARCHIVES` as a list parted by `:`.

use crate::{CancelFlag, ImageStore, Limits};

#[test]
#[ignore = "needs root and archives made by docker, podman and skopeo"]
fn archives_of_other_tools_load() {
    let folder = tempfile::tempdir_in("/var/tmp").expect("scratch");
    let store = ImageStore::open(&folder.path().join("images"), &folder.path().join("layers")).expect("opens");
    for path in std::env::var("GANTRY_TEST_ARCHIVES").expect("set").split(':') {
        let start = std::time::Instant::now();
        let loaded = store.load(std::fs::File::open(path).expect("open"), &(), &CancelFlag::default(), &Limits::default());
        eprintln!("{path}: {:?}", start.elapsed());
        for image in loaded.expect(path) {
            let names: Vec<String> = image.references.iter().map(|r| r.familiar()).collect();
            eprintln!("  {} {names:?} {} bytes {} layers manifest {:?}", image.id, image.size_bytes, image.layers, image.manifest);
            let full = store.image(&image.id).expect("image");
            assert!(store.layer_paths_top_first(&full).iter().all(|p| p.is_dir()));
        }
    }
}
