-- Long work, with its output kept for its page.
CREATE TABLE jobs (
    id             TEXT    PRIMARY KEY,
    kind           TEXT    NOT NULL,                      -- load, import, start, remove …
    title          TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    error          TEXT    NOT NULL DEFAULT '',
    asked_by       TEXT    NOT NULL,
    output         TEXT    NOT NULL DEFAULT '[]',         -- lines, JSON; written when the job ends
    results        TEXT    NOT NULL DEFAULT '[]',         -- references or ids, JSON
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER
) STRICT;
CREATE INDEX jobs_by_start ON jobs (started_at_ms);

-- Example: ('00f1…', 'load', 'Load busybox.tar', 'done', '', 'ada', '[]', '["busybox:latest"]', 1763971200000, 1763971201000)
