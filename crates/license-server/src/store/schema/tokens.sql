-- Tokens of the vendor API. `scopes` and `networks` are separated by single spaces; without networks, a token is valid
-- everywhere. A revoked token stays, so that its number and its history keep their meaning.
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    scopes TEXT NOT NULL,
    networks TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    creator_role TEXT NOT NULL,
    creator TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked_at IS NULL;

-- The answers to calls with an Idempotency-Key, for a day.
CREATE TABLE api_answers (
    token INTEGER NOT NULL REFERENCES api_tokens (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_answers_by_time ON api_answers (at);

-- What the license with a reference was created from, to recognize the same request.
CREATE TABLE api_creations (
    license INTEGER PRIMARY KEY REFERENCES licenses (id) ON DELETE CASCADE,
    token INTEGER NOT NULL,
    request_sha256 TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
