-- People who may log in.
CREATE TABLE users (
    name             TEXT    PRIMARY KEY,
    role             TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash    TEXT    NOT NULL,                    -- argon2id in PHC form
    disabled         INTEGER NOT NULL DEFAULT 0,
    created_at_ms    INTEGER NOT NULL,
    last_login_at_ms INTEGER
) STRICT;

-- Logged-in browsers.
CREATE TABLE sessions (
    id            TEXT    PRIMARY KEY,                    -- SHA-256 of the cookie, hex: a copy of this table logs nobody in
    user_name     TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    csrf_token    TEXT    NOT NULL,
    user_agent    TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_name);

-- Failed logins and setups, for the limit by name and by address.
CREATE TABLE login_failures (
    subject TEXT    NOT NULL,                             -- name:… or addr:…
    at_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX login_failures_by_subject ON login_failures (subject, at_ms);

-- Single values: setup_code_hash, host_id.
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Example: users ('ada', 'admin', '$argon2id$v=19$…', 0, 1763971200000, NULL), login_failures ('addr:127.0.0.1', 1763971200000)
