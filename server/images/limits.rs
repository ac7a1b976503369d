//! How much an archive may ask of this host.

/// Limits on what one load or import may read, write and remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one layer may unpack to, holes of sparse files included.
    pub layer_bytes: u64,
    /// Bytes that all layers of one image may unpack to.
    pub image_bytes: u64,
    /// Entries in one layer.
    pub layer_entries: u64,
    /// Unpacked bytes per compressed byte. Real layers stay below 20; gzip of nothing but zeros reaches 1030.
    pub ratio: u64,
    /// Compressed streams that unpack to less than this are not measured against `ratio`.
    pub ratio_from_bytes: u64,
    /// Bytes of holes in the sparse files of one layer: they cost nothing here and much wherever the image is copied.
    pub hole_bytes: u64,
    /// Bytes that stay free on the disk.
    pub keep_free_bytes: u64,
    /// Bytes of a manifest, an index or a configuration.
    pub document_bytes: u64,
    /// Files in the outer archive.
    pub archive_entries: u64,
    /// Layers in one image. The kernel stacks at most 500; docker stops at 127 and so do we, with room for the container's own.
    pub layers: usize,
    /// Takes `/a/b` in a layer as `a/b`, as docker does (`ko` writes such images), instead of refusing it.
    pub absolute_names: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes: 128 << 30,
            image_bytes: 256 << 30,
            layer_entries: 5_000_000,
            ratio: 100,
            ratio_from_bytes: 512 << 20,
            hole_bytes: 8 << 30,
            keep_free_bytes: 512 << 20,
            document_bytes: 4 << 20,
            archive_entries: 20_000,
            layers: 127,
            absolute_names: false,
        }
    }
}
