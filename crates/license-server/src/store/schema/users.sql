-- Users and their sessions. `folded_name` is the name as names are compared; `password` is empty for a user who has none.
ALTER TABLE users ADD COLUMN folded_name TEXT;
ALTER TABLE users ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN mail TEXT;
ALTER TABLE users ADD COLUMN disabled_at INTEGER;

-- The secret of the second factor, encrypted, and the last time step whose code was accepted.
ALTER TABLE users ADD COLUMN second_factor TEXT;
ALTER TABLE users ADD COLUMN second_factor_at INTEGER;
ALTER TABLE users ADD COLUMN second_factor_step INTEGER NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX users_by_folded_name ON users (folded_name);

CREATE INDEX users_by_mail ON users (lower(mail)) WHERE mail IS NOT NULL;

CREATE INDEX administrators ON users (id) WHERE administrator = 1;

ALTER TABLE sessions ADD COLUMN started_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';
UPDATE sessions SET started_at = ends_at - 43200, used_at = ends_at - 43200;

-- A link with which a user sets a password; it ends with its use, and with every change of the password.
CREATE TABLE password_links (
    user INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    token_sha256 TEXT NOT NULL UNIQUE,
    purpose TEXT NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    password_sha256 TEXT NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_sha256 TEXT NOT NULL,
    PRIMARY KEY (user, code_sha256)
) STRICT, WITHOUT ROWID;
