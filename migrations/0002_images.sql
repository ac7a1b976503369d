-- Images by the digest of their configuration. Blobs and layers lie in the data folder; references to them are derived from here.
CREATE TABLE images (
    id            TEXT    PRIMARY KEY,                    -- sha256:…
    created_at_ms INTEGER NOT NULL,                       -- as the image says
    added_at_ms   INTEGER NOT NULL,                       -- when it came here
    size_bytes    INTEGER NOT NULL                        -- unpacked size of all layers
) STRICT;

-- Names that point to images.
CREATE TABLE tags (
    reference TEXT PRIMARY KEY,                           -- full form, docker.io/library/busybox:latest
    image_id  TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX tags_by_image ON tags (image_id);

-- Example: images ('sha256:2c26…', 1700000000000, 1763971200000, 4300000), tags ('docker.io/library/busybox:latest', 'sha256:2c26…')
