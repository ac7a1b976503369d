//! Writes archives, honest and otherwise, byte by byte.

use gantry_model::Digest;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;

pub fn digest(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

/// A tar archive being written. Nothing is checked: that is the point.
#[derive(Clone, Default)]
pub struct Tar(pub Vec<u8>);

/// Fields of one header, as raw bytes where a test wants them so.
#[derive(Clone)]
pub struct Head {
    pub name: Vec<u8>,
    pub flag: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: [u8; 12],
    pub mtime: u64,
    pub link: Vec<u8>,
    pub device: (u32, u32),
    pub gnu: bool,
}

pub fn octal(value: u64) -> [u8; 12] {
    let mut field = [0; 12];
    let digits = format!("{value:011o}");
    field[..digits.len()].copy_from_slice(digits.as_bytes());
    field
}

impl Head {
    pub fn new(name: &str, flag: u8, size: u64) -> Self {
        let mode = if flag == b'5' { 0o755 } else { 0o644 };
        Self { name: name.into(), flag, mode, uid: 0, gid: 0, size: octal(size), mtime: 1_600_000_000, link: Vec::new(), device: (0, 0), gnu: false }
    }

    pub fn link(name: &str, flag: u8, target: &str) -> Self {
        Self { link: target.into(), ..Self::new(name, flag, 0) }
    }

    pub fn device(name: &str, flag: u8, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..Self::new(name, flag, 0) }
    }

    pub fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, format!("{:07o}\0", self.uid).as_bytes());
        put(116, format!("{:07o}\0", self.gid).as_bytes());
        put(124, &self.size);
        put(136, format!("{:011o}\0", self.mtime).as_bytes());
        put(156, &[self.flag]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, if self.gnu { b"ustar  \0" } else { b"ustar\x0000" });
        put(329, format!("{:07o}\0", self.device.0).as_bytes());
        put(337, format!("{:07o}\0", self.device.1).as_bytes());
        sum(&mut block);
        block
    }
}

/// Makes the checksum right.
pub fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

impl Tar {
    pub fn raw(mut self, head: &Head, content: &[u8]) -> Self {
        self.0.extend(head.block());
        self.bytes(content)
    }

    /// Adds bytes and fills the block.
    pub fn bytes(mut self, content: &[u8]) -> Self {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.raw(&Head::new(name, b'0', content.len() as u64), content)
    }

    pub fn folder(self, name: &str) -> Self {
        self.raw(&Head::new(name, b'5', 0), &[])
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(&Head::link(name, b'2', target), &[])
    }

    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(&Head::link(name, b'1', target), &[])
    }

    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.raw(&Head::new("PaxHeaders/x", b'x', body.len() as u64), &body)
    }

    /// A GNU long name (`L`) or link target (`K`).
    pub fn long(self, flag: u8, name: &[u8]) -> Self {
        let body = [name, b"\0"].concat();
        self.raw(&Head { gnu: true, ..Head::new("././@LongLink", flag, body.len() as u64) }, &body)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).expect("memory");
    to.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).expect("memory")
}

/// `first`, then ten gibibytes of zeros, compressed: members that repeat, as gzip and zstd both allow.
pub fn ten_gigabytes(first: &[u8], pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let zeros = pack(&vec![0; 64 << 20]);
    let mut all = pack(first);
    (0..160).for_each(|_| all.extend(&zeros));
    all
}

pub fn config(diff_ids: &[Digest]) -> Vec<u8> {
    let ids: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09Z",
        "config": {"Cmd": ["sh"], "Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": ids}, "history": []
    }))
    .expect("json")
}

pub fn manifest_json(config: &str, layers: &[String]) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!([{"Config": config, "RepoTags": ["made:1"], "Layers": layers}])).expect("json")
}

/// A `docker save` archive of these layers.
pub fn docker(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    docker_with(layers, &ids)
}

/// The same with layers that may not be what the configuration says.
pub fn docker_with(layers: &[Vec<u8>], diff_ids: &[Digest]) -> Vec<u8> {
    let config = config(diff_ids);
    let config_name = format!("{}.json", digest(&config).hex());
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at:064}/layer.tar")).collect();
    let tar = names.iter().zip(layers).fold(Tar::default(), |tar, (name, layer)| tar.file(name, layer));
    tar.file(&config_name, &config).file("manifest.json", &manifest_json(&config_name, &names)).end()
}

/// An OCI layout being written.
#[derive(Default)]
pub struct Layout {
    pub tar: Tar,
    seen: std::collections::BTreeSet<Digest>,
}

impl Layout {
    pub fn blob(&mut self, bytes: &[u8]) -> serde_json::Value {
        let digest = digest(bytes);
        if self.seen.insert(digest.clone()) {
            self.tar = std::mem::take(&mut self.tar).file(&format!("blobs/sha256/{}", digest.hex()), bytes);
        }
        serde_json::json!({"mediaType": "", "digest": digest.as_str(), "size": bytes.len()})
    }

    /// Ends it with an index of these descriptors.
    pub fn end(self, manifests: &[serde_json::Value]) -> Vec<u8> {
        let index = serde_json::json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        self.tar.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).file("index.json", index.as_bytes()).end()
    }
}

/// A layout with one image of these layers, packed.
pub fn oci(layers: &[Vec<u8>], pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut layout = Layout::default();
    let ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    let blobs: Vec<_> = layers.iter().map(|layer| layout.blob(&pack(layer))).collect();
    let config = layout.blob(&config(&ids));
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": blobs}).to_string();
    let manifest = layout.blob(manifest.as_bytes());
    layout.end(&[manifest])
}
