-- Terminals opened in the browser. Their processes belong to the containers' monitors, so they outlive the server.
CREATE TABLE terminals (
    id           TEXT    PRIMARY KEY CHECK (length(id) = 64),
    container_id TEXT    NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    command      TEXT    NOT NULL,                        -- words, JSON
    user         TEXT    NOT NULL,                        -- in the container; empty is the container's own
    opened_by    TEXT    NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    ended_at_ms  INTEGER,
    ended        TEXT                                     -- why, one sentence
) STRICT;
CREATE INDEX terminals_by_container ON terminals (container_id);

-- Example: ('77ab…', '9f86…', '["/bin/sh"]', '', 'ada', 1763971200000, NULL, NULL)
