//! A machine of its own: Debian's cloud kernel, an initramfs that finds the disk, a disk with the programs and what they link to.
//! Programs in, their exit codes and outputs back over the serial line.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Needed before the disk is there.
const FIRST: [&str; 2] = ["virtio_pci", "virtio_blk"];
/// Folders and files of `/lib/modules/VERSION/kernel` that the kernel may ask for; with all that they need.
const LATER: [&str; 6] = ["net/bridge", "net/netfilter/nf_", "net/netfilter/nft_", "net/ipv4/netfilter/nf", "fs/overlayfs", "drivers/net/veth"];

/// One program to run in the machine.
pub struct Program {
    pub name: &'static str,
    pub path: PathBuf,
    pub args: Vec<String>,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub output: String,
}

/// Folders and files of the host that the machine has too, at the same place.
pub struct Disk<'a> {
    pub programs: &'a [Program],
    pub files: &'a [&'a Path],
}

/// Boots, runs the programs one after the other, and returns how each went, in order.
///
/// # Panics
/// With the end of the console's text if the machine did not boot or did not come to its end within `limit`.
pub fn run(disk: &Disk<'_>, limit: Duration) -> Vec<Outcome> {
    let kernel = Kernel::find();
    let folder = tempfile::Builder::new().prefix("gantry-vm-").tempdir_in("/var/tmp").expect("a scratch folder");
    let (initramfs, image) = (folder.path().join("initramfs"), folder.path().join("disk"));
    make_initramfs(&kernel, &folder.path().join("first"), &initramfs);
    make_disk(&kernel, disk, &folder.path().join("root"), &image);
    let console = boot(&kernel, &initramfs, &image, limit);
    disk.programs.iter().map(|program| outcome(&console, program.name)).collect()
}

fn outcome(console: &str, name: &str) -> Outcome {
    let (begin, end) = (format!("==== begin {name}\n"), format!("\n==== end {name} "));
    let told = console.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let Some((output, rest)) = told else { panic!("{name} did not come to its end in the machine; its console ends with:\n{}", tail(console)) };
    let code = rest.split_whitespace().next().and_then(|code| code.parse().ok()).expect("a number follows");
    Outcome { code, output: output.to_owned() }
}

fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(6000);
    &text[text.ceil_char_boundary(start)..]
}

struct Kernel {
    image: PathBuf,
    modules: PathBuf,
    version: String,
}

impl Kernel {
    fn find() -> Self {
        let versions =
            fs::read_dir("/boot").into_iter().flatten().flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix("vmlinuz-")?.to_owned()));
        let usable = versions.filter(|version| version.contains("cloud") && Path::new("/lib/modules").join(version).join("modules.dep").exists());
        let version = usable.max().expect("a kernel for virtual machines: apt-get install linux-image-cloud-amd64");
        Self { image: Path::new("/boot").join(format!("vmlinuz-{version}")), modules: Path::new("/lib/modules").join(&version), version }
    }

    /// The modules whose names `wanted` accepts and all they need, in loading order, relative to the version's folder.
    fn closure(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let text = fs::read_to_string(self.modules.join("modules.dep")).expect("modules.dep is readable");
        let mut found = Vec::new();
        for (module, needs) in text.lines().filter_map(|line| line.split_once(':')).filter(|(module, _)| wanted(module)) {
            // What is needed first stands last.
            found.extend(needs.split_whitespace().rev().chain([module]).map(str::to_owned));
        }
        let mut seen = BTreeSet::new();
        found.retain(|module| seen.insert(module.clone()));
        found
    }
}

fn make_initramfs(kernel: &Kernel, folder: &Path, image: &Path) {
    fs::create_dir_all(folder.join("bin")).expect("made");
    fs::copy("/bin/busybox", folder.join("bin/busybox")).expect("busybox-static is installed");
    let modules = kernel.closure(|path| FIRST.iter().any(|name| path.ends_with(&format!("/{name}.ko"))));
    let mut load = String::new();
    for (index, module) in modules.iter().enumerate() {
        fs::copy(kernel.modules.join(module), folder.join(format!("{index}.ko"))).expect("copied");
        load += &format!("$b insmod /{index}.ko\n");
    }
    let init = format!(
        "#!/bin/busybox sh\nb=/bin/busybox\n$b mkdir -p /dev /new\n$b mount -t devtmpfs dev /dev\n{load}$b mount -t ext4 /dev/vda /new && exec $b switch_root /new /sbin/init\necho no disk\n$b reboot -f\n"
    );
    write_program(&folder.join("init"), &init);
    let archive = Command::new("sh").args(["-c", "find . | cpio --quiet -o -H newc > \"$0\""]).arg(image).current_dir(folder).output().expect("sh runs");
    assert!(archive.status.success(), "cpio: {}", String::from_utf8_lossy(&archive.stderr));
}

fn make_disk(kernel: &Kernel, disk: &Disk<'_>, root: &Path, image: &Path) {
    for folder in ["bin", "sbin", "etc", "dev", "proc", "sys", "tmp", "var/tmp", "run", "root"] {
        fs::create_dir_all(root.join(folder)).expect("made");
    }
    for folder in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o1777)).expect("opened to all");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    let applets = Command::new("/bin/busybox").arg("--list").output().expect("busybox runs").stdout;
    for applet in String::from_utf8_lossy(&applets).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).expect("linked");
    }
    symlink("../bin/modprobe", root.join("sbin/modprobe")).expect("linked");
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("written");
    fs::write(root.join("etc/group"), "root:x:0:\n").expect("written");
    fs::write(root.join("etc/hostname"), "machine\n").expect("written");
    fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n").expect("written");
    for module in kernel.closure(|path| path.strip_prefix("kernel/").is_some_and(|path| LATER.iter().any(|wanted| path.starts_with(wanted)))) {
        place(&kernel.modules.join(module), root);
    }
    for list in ["modules.dep", "modules.alias", "modules.softdep", "modules.symbols", "modules.builtin", "modules.order"] {
        place(&kernel.modules.join(list), root);
    }
    for program in disk.programs.iter().map(|program| program.path.as_path()).chain(disk.files.iter().copied()) {
        place(program, root);
        libraries(program).iter().for_each(|library| place(library, root));
    }
    write_program(&root.join("sbin/init"), &init(disk.programs));
    let made = Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1", "-d"]).arg(root).arg(image).arg("3G").output();
    let made = made.expect("mkfs.ext4 runs");
    assert!(made.status.success(), "mkfs.ext4: {}", String::from_utf8_lossy(&made.stderr));
}

/// Puts a file of the host at the same place below `root`.
fn place(file: &Path, root: &Path) {
    let target = root.join(file.strip_prefix("/").expect("absolute"));
    if target.exists() {
        return;
    }
    fs::create_dir_all(target.parent().expect("has one")).expect("made");
    // A hard link to a symbolic link would be one too.
    let file = fs::canonicalize(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if fs::hard_link(&file, &target).is_err() {
        fs::copy(&file, &target).unwrap_or_else(|error| panic!("copy {}: {error}", file.display()));
    }
}

/// The libraries that a program loads, and the loader.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let told = Command::new("ldd").arg(program).env("LC_ALL", "C").output().expect("ldd runs").stdout;
    String::from_utf8_lossy(&told)
        .lines()
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with('/'))
        .map(|word| word.trim_end_matches(':').into())
        .collect()
}

/// What the machine does: mount, load, run, tell, end.
fn init(programs: &[Program]) -> String {
    let mut script = "#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t tmpfs tmpfs /run
ip link set lo up
hostname machine
modprobe overlay
echo 3 > /proc/sys/kernel/printk
stty -opost
"
    .to_owned();
    for Program { name, path, args } in programs {
        let args: String = args.iter().map(|arg| format!(" '{arg}'")).collect();
        let path = path.display();
        script += &format!("echo '==== begin {name}'\n'{path}'{args} 2>&1 < /dev/null\ncode=$?\necho\necho '==== end {name} '$code\n");
    }
    script + "sync\nreboot -f\n"
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("made executable");
}

fn boot(kernel: &Kernel, initramfs: &Path, image: &Path, limit: Duration) -> String {
    // Kept: whoever wonders what happened in there reads it.
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine-console");
    let mut machine = Command::new("qemu-system-x86_64")
        // Not KVM: where it is there but nested, it may hang; emulation is the same everywhere.
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", log.display()))
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off"])
        .arg("-drive")
        .arg(format!("file={},if=virtio,format=raw,cache=unsafe", image.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("qemu is installed: apt-get install qemu-system-x86");
    let end = Instant::now() + limit;
    let in_time = loop {
        match machine.try_wait().expect("qemu can be waited for") {
            Some(_) => break true,
            None if Instant::now() > end => break false,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if !in_time {
        machine.kill().expect("qemu is ours");
        machine.wait().expect("reaped");
    }
    let console = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).replace('\r', "");
    let mut said = String::new();
    let _ = machine.stderr.take().expect("piped").read_to_string(&mut said);
    assert!(in_time, "the machine ({}) was not done after {limit:?}; qemu said {said:?}; its console ends with:\n{}", kernel.version, tail(&console));
    assert!(console.contains("==== begin"), "the machine ({}) did not boot; qemu said {said:?}; its console:\n{}", kernel.version, tail(&console));
    console
}
