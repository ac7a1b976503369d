//! Builds the browser's files with npm and writes the table that `assets.rs` embeds.
//! Where they come from: `GANTRY_WEB_DIST`, a folder made earlier by `node web/build.mjs FOLDER`; else npm; else one sentence and an error.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    println!("cargo:rerun-if-env-changed=GANTRY_WEB_DIST");
    for input in ["package.json", "package-lock.json", "build.mjs", "tsconfig.json", "scripts", "styles", "icons"] {
        println!("cargo:rerun-if-changed={}", web.join(input).display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let dist = match std::env::var_os("GANTRY_WEB_DIST") {
        Some(dist) => {
            println!("cargo:rerun-if-changed={}", Path::new(&dist).join("manifest.txt").display());
            PathBuf::from(dist)
        }
        // Nobody watches what is made here: it is newer than the start of this program, so that each build would run it again.
        None => built_by_npm(&web, &out.join("web")),
    };
    let manifest = dist.join("manifest.txt");
    let Ok(manifest) = fs::read_to_string(&manifest) else {
        give_up(&format!("{} is missing: GANTRY_WEB_DIST must name a folder that `node web/build.mjs FOLDER` made", manifest.display()))
    };
    fs::write(out.join("assets.rs"), table(&dist, &manifest)).expect("OUT_DIR can be written");
}

fn built_by_npm(web: &Path, dist: &Path) -> PathBuf {
    install(web);
    run(Command::new("node").arg("build.mjs").arg(dist).current_dir(web));
    dist.to_owned()
}

/// Installs the packages of the lock file, once for each content of it. Builds beside each other take turns.
fn install(web: &Path) {
    let lock = web.join("package-lock.json");
    let file = File::open(&lock).unwrap_or_else(|error| give_up(&format!("open {}: {error}", lock.display())));
    file.lock().unwrap_or_else(|error| give_up(&format!("lock {}: {error}", lock.display())));
    let stamp = web.join("node_modules/.installed-lock");
    let wanted = fs::read(&lock).unwrap_or_default();
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(web));
    fs::write(&stamp, wanted).unwrap_or_else(|error| give_up(&format!("write {}: {error}", stamp.display())));
}

fn run(command: &mut Command) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => give_up(&format!("{command:?} failed:\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => give_up(
            "the pages need Node.js 18 or newer with npm on the PATH to build (Debian and Ubuntu: apt-get install nodejs npm); without it, set GANTRY_WEB_DIST to a folder that `node web/build.mjs FOLDER` made elsewhere",
        ),
        Err(error) => give_up(&format!("run {command:?}: {error}")),
    }
}

fn give_up(why: &str) -> ! {
    println!("cargo:warning={}", why.lines().next().unwrap_or_default());
    eprintln!("{why}");
    exit(1)
}

/// One `Asset` a line of the manifest: name, file, media type, entity tag.
fn table(dist: &Path, manifest: &str) -> String {
    let mut text = String::from("pub(crate) static ASSETS: &[Asset] = &[\n");
    for line in manifest.lines() {
        let [name, file, media_type, tag] = line.split('\t').collect::<Vec<_>>()[..] else { give_up(&format!("manifest.txt has an odd line: {line}")) };
        let path = fs::canonicalize(dist.join(file)).unwrap_or_else(|error| give_up(&format!("{}: {error}", dist.join(file).display())));
        let path = path.to_str().unwrap_or_else(|| give_up("the build folder's name is not UTF-8"));
        text.push_str(&format!(
            "    Asset {{ name: {name:?}, path: {:?}, media_type: {media_type:?}, tag: {tag:?}, plain: include_bytes!({path:?}), gzip: include_bytes!({:?}), brotli: include_bytes!({:?}) }},\n",
            format!("/assets/{file}"),
            format!("{path}.gz"),
            format!("{path}.br"),
        ));
    }
    text.push_str("];\n");
    text
}
