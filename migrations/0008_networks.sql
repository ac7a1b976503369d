-- Networks made by users. The kernel's bridge and firewall table are made when a container needs them, and go before the row does.
CREATE TABLE networks (
    id            TEXT    PRIMARY KEY CHECK (length(id) = 64),
    name          TEXT    NOT NULL UNIQUE,
    spec          TEXT    NOT NULL,                       -- the wish, JSON: driver, ranges, options, labels, internal
    subnet        TEXT    NOT NULL UNIQUE,                -- IPv4, CIDR notation
    gateway       TEXT    NOT NULL,                       -- address of the bridge
    bridge        TEXT    NOT NULL UNIQUE,                -- interface on the host, 15 letters at most
    desired       TEXT    NOT NULL DEFAULT 'present' CHECK (desired IN ('present', 'removed')),
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Places of containers on networks made by users. The place on the default bridge is containers.ip alone.
CREATE TABLE endpoints (
    id            TEXT    PRIMARY KEY CHECK (length(id) = 64),
    container_id  TEXT    NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network_id    TEXT    REFERENCES networks (id) ON DELETE SET NULL, -- none before the first start, and when the network is gone
    spec          TEXT    NOT NULL,                       -- the wish, JSON: network by name, address, aliases, priority
    ip            TEXT,                                   -- kept while the container exists and nobody else needs it
    position      INTEGER NOT NULL,                       -- order of the interfaces: eth0, eth1, …
    UNIQUE (network_id, ip),
    UNIQUE (container_id, network_id)
) STRICT;

-- Example: networks ('5e5e…', 'shop', '{"name":"shop",…}', '172.29.0.0/16', '172.29.0.1', 'gt-5e5ee680a135', 'present', 1763971200000)
-- Example: endpoints ('502f…', '9f86…', '5e5e…', '{"network":"shop","aliases":["db"],…}', '172.29.0.2', 0)
