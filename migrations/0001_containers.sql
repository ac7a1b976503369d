-- What should exist. What runs is told by the monitors and copied here for lists and for the time after them.
CREATE TABLE containers (
    id             TEXT    PRIMARY KEY CHECK (length(id) = 64),
    name           TEXT    NOT NULL UNIQUE,
    image_id       TEXT    NOT NULL,                      -- digest of the image's configuration
    spec           TEXT    NOT NULL,                      -- the wish, JSON
    process        TEXT    NOT NULL,                      -- args, env, cwd and user that run, JSON
    state          TEXT    NOT NULL CHECK (state IN ('created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead')),
    desired        TEXT    NOT NULL CHECK (desired IN ('running', 'stopped', 'removed')),
    ip             TEXT    UNIQUE,                        -- address on the default bridge, kept while the container exists
    exit_code      INTEGER,
    oom_killed     INTEGER NOT NULL DEFAULT 0,
    error          TEXT    NOT NULL DEFAULT '',           -- why it failed to start or ended, one sentence
    restart_count  INTEGER NOT NULL DEFAULT 0,
    ports          TEXT    NOT NULL DEFAULT '[]',         -- published ports with the numbers in use, JSON
    created_at_ms  INTEGER NOT NULL,                      -- Unix time, milliseconds, as all *_at_ms
    started_at_ms  INTEGER,
    finished_at_ms INTEGER
) STRICT;

-- Example: ('9f86…', 'web', 'sha256:2c26…', '{"image":"busybox",…}', '{"args":["sh"],…}', 'running', 'running', '172.30.0.2',
--           NULL, 0, '', 0, '[]', 1763971200000, 1763971200050, NULL)
