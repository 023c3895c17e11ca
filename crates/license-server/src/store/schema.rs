//! The tables, and how older databases become this one. `PRAGMA user_version` counts the migrations that were applied.

/// Marks the file as ours: `PRAGMA application_id`, “OpLS”.
pub(super) const APPLICATION_ID: i64 = 0x4f70_4c53;

/// Each migration once and in order, in one transaction. What was released is never changed: a change is a new line.
pub(super) const MIGRATIONS: [&str; 1] = [VERSION_1];

/// Times are seconds since 1970-01-01T00:00:00Z, addresses are text in their usual form.
///
/// An activation is found by license and address, so the table is stored in that order. Its `sequence` is the number of
/// the history line that tells of the activation. No index has a column that a sign of life sets: a verification changes
/// one page. So whatever else is asked of a license is read from an index and stops early, however much it has.
const VERSION_1: &str = "
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plans (
    slug TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    max_accounts INTEGER NOT NULL CHECK (max_accounts >= 0),
    max_servers INTEGER NOT NULL CHECK (max_servers >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO plans (slug, name, max_accounts, max_servers) VALUES
    ('free', 'Free', 5, 1),
    ('starter', 'Starter', 25, 1),
    ('business', 'Business', 100, 5),
    ('datacenter', 'Datacenter', 0, 0);

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password TEXT NOT NULL,
    administrator INTEGER NOT NULL CHECK (administrator IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token_sha256 TEXT PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user, ends_at);

CREATE INDEX sessions_by_end ON sessions (ends_at);

CREATE TABLE licenses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    owner INTEGER NOT NULL REFERENCES users (id),
    plan TEXT NOT NULL REFERENCES plans (slug),
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'cancelled')),
    expires_at INTEGER,
    locked_ip TEXT,
    subscription_status TEXT,
    cancel_at_period_end INTEGER CHECK (cancel_at_period_end IN (0, 1)),
    current_period_end INTEGER,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE INDEX licenses_of_owner ON licenses (owner, id);

CREATE TABLE activations (
    license INTEGER NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
    ip TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    observed_ip TEXT NOT NULL,
    reported_ip TEXT,
    hostname TEXT,
    agent_version TEXT,
    panel_version TEXT,
    os TEXT,
    server_id TEXT,
    other_server_id TEXT,
    other_seen_at INTEGER,
    PRIMARY KEY (license, ip)
) STRICT, WITHOUT ROWID;

CREATE INDEX activations_in_order ON activations (license, sequence);

CREATE INDEX activations_by_identity ON activations (license, server_id, sequence) WHERE server_id IS NOT NULL;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    license INTEGER,
    role TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_license ON events (license, id) WHERE license IS NOT NULL;

CREATE INDEX events_of_owners ON events (license, at) WHERE role = 'owner' AND action IN ('revoked', 'moved');

CREATE INDEX events_of_keys ON events (license, actor, role, at) WHERE action = 'key shown';
";
