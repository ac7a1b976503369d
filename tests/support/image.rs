//! A root filesystem made of the host's static busybox.

use std::path::Path;

/// As a tar for `gantry import`.
pub fn busybox() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.set_link_name(link).expect("short");
        }
        tar.append_data(&mut header, path, content).expect("in memory");
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("www", 0o755)] {
        put(folder, tar::EntryType::Directory, mode, &[], None);
    }
    put("bin/busybox", tar::EntryType::Regular, 0o755, &std::fs::read("/bin/busybox").expect("busybox-static is installed"), None);
    for applet in applets() {
        put(&format!("bin/{applet}"), tar::EntryType::Symlink, 0o777, &[], Some("busybox"));
    }
    put("etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n", None);
    put("etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\nuser:x:1000:\n", None);
    put("www/index.html", tar::EntryType::Regular, 0o644, b"hello from a container\n", None);
    tar.into_inner().expect("in memory")
}

/// As a folder, for runtimes that take one.
pub fn busybox_at(root: &Path) {
    tar::Archive::new(busybox().as_slice()).unpack(root).expect("unpacked");
}

fn applets() -> Vec<String> {
    let list = std::process::Command::new("/bin/busybox").arg("--list").output().expect("busybox-static is installed").stdout;
    String::from_utf8_lossy(&list).lines().filter(|applet| *applet != "busybox").map(str::to_owned).collect()
}
