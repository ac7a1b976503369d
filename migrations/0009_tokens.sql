-- Tokens for the Docker API over TCP.
CREATE TABLE tokens (
    name            TEXT    PRIMARY KEY,
    hash            TEXT    NOT NULL UNIQUE,              -- SHA-256 of the token, hex: a copy of this table lets nobody in
    role            TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    owner           TEXT    NOT NULL,                     -- who made it: a user of the pages, or of this host
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER,                              -- NULL: never
    last_used_at_ms INTEGER
) STRICT;
CREATE INDEX tokens_by_owner ON tokens (owner);

-- Example: tokens ('ci', '9f86d081884c7d65…', 'operator', 'root', 1763971200000, 1771747200000, NULL)
