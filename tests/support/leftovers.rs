//! What a server and its containers may have left on the host. Everything of a test bears its folder or its name.

use std::fs;
use std::path::{Path, PathBuf};

/// Mounts of this mount namespace below a folder.
pub fn mounts(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("UTF-8");
    let all = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    all.lines().filter(|line| line.contains(folder)).map(str::to_owned).collect()
}

/// Processes of others that hold a file below the folder open, live in a cgroup of this name, or have a mount of it in a mount
/// namespace that is not ours.
pub fn processes(folder: &Path, name: &str) -> Vec<String> {
    let this = std::process::id().to_string();
    let pids = fs::read_dir("/proc").expect("readable").flatten().filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()) && *pid != this).filter_map(|pid| trace(&pid, folder, name)).collect()
}

fn trace(pid: &str, folder: &Path, name: &str) -> Option<String> {
    let process = Path::new("/proc").join(pid);
    let text = |file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
    let folder_text = folder.to_str().expect("UTF-8");
    let held =
        fs::read_dir(process.join("fd")).into_iter().flatten().flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).find(|link| link.starts_with(folder));
    let why = if let Some(held) = held {
        format!("holds {}", held.display())
    } else if text("cgroup").contains(&format!("/{name}")) {
        "is in a cgroup".to_owned()
    } else if fs::read_link(process.join("ns/mnt")).ok() != fs::read_link("/proc/self/ns/mnt").ok() && text("mountinfo").contains(folder_text) {
        "has a mount".to_owned()
    } else {
        return None;
    };
    Some(format!("{pid} {:?} {why}", text("cmdline").replace('\0', " ")))
}

/// Cgroups of this name, with all below them, in every hierarchy.
pub fn cgroups(name: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    for hierarchy in fs::read_dir(top).expect("readable").flatten().map(|entry| entry.path()).chain([top.to_owned()]) {
        let mut open = vec![hierarchy.join(name)];
        while let Some(path) = open.pop().filter(|path| path.is_dir()) {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
            found.push(path);
        }
    }
    found
}

/// Open descriptors of a process, by what they lead to.
pub fn descriptors(pid: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|fd| fs::read_link(fd.path()).ok()).map(|link| link.to_string_lossy().into_owned()).collect()
}

/// Network devices of the network namespace that `pid` lives in, without `lo`.
pub fn links(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
    text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).filter(|name| name != "lo").collect()
}

/// Tables of nftables in this network namespace with this name, and those of a server's networks, whose names begin with it.
pub fn tables(name: &str) -> Vec<String> {
    let told = std::process::Command::new("nft").args(["list", "tables"]).output().expect("nft is installed").stdout;
    let ours = |line: &&str| line.rsplit(' ').next().and_then(|table| table.strip_prefix(name)).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    String::from_utf8_lossy(&told).lines().filter(ours).map(str::to_owned).collect()
}
