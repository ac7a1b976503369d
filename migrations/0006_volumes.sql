-- Named folders that outlive containers. An anonymous one goes with its container.
CREATE TABLE volumes (
    name          TEXT    PRIMARY KEY,
    anonymous     INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Which containers mount which volume.
CREATE TABLE volume_uses (
    volume_name  TEXT NOT NULL REFERENCES volumes (name),
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    PRIMARY KEY (volume_name, container_id)
) STRICT;
CREATE INDEX volume_uses_by_container ON volume_uses (container_id);

-- Example: volumes ('shop_data', 0, 1763971200000), volume_uses ('shop_data', '9f86…')
