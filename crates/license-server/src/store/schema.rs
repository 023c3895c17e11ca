//! The tables and the migrations. `PRAGMA user_version` is the number of applied migrations.

use rusqlite::Connection;

use super::user_names;

/// Identifies the file as a database of the license server: `PRAGMA application_id`, “OpLS”.
pub(super) const APPLICATION_ID: i64 = 0x4f70_4c53;

/// The migrations, applied once each and in order. A released migration never changes; a schema change is a new migration.
pub(super) const MIGRATIONS: [Migration; 4] = [
    Migration { sql: VERSION_1, then: |_| Ok(()) },
    Migration { sql: VERSION_2, then: user_names::fold },
    Migration { sql: VERSION_3, then: |_| Ok(()) },
    Migration { sql: VERSION_4, then: |_| Ok(()) },
];

/// A migration: its statements, and then what SQL cannot do.
pub(super) struct Migration {
    pub(super) sql: &'static str,
    pub(super) then: fn(&Connection) -> rusqlite::Result<()>,
}

/// Times are seconds since 1970-01-01T00:00:00Z; addresses are text in canonical form.
///
/// Activations are looked up by license and address, which are the primary key. `sequence` is the number of the history
/// entry of the activation. No index contains a column that a check-in updates, so a check-in writes one page. All other
/// queries of a license use an index and stop early, however many activations it has.
pub(super) const VERSION_1: &str = "
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

/// The vendor's view of a license, refused servers, tokens of the API, webhooks, users and statistics: one file for each.
const VERSION_2: &str = concat!(
    include_str!("schema/licenses.sql"),
    include_str!("schema/servers.sql"),
    include_str!("schema/tokens.sql"),
    include_str!("schema/webhooks.sql"),
    include_str!("schema/users.sql"),
    include_str!("schema/statistics.sql"),
);

/// PostgreSQL takes `user` for the user of the connection.
const VERSION_3: &str = "
ALTER TABLE sessions RENAME COLUMN user TO user_id;
ALTER TABLE password_links RENAME COLUMN user TO user_id;
ALTER TABLE recovery_codes RENAME COLUMN user TO user_id;
";

/// Check-ins of a burst.
const VERSION_4: &str = include_str!("schema/deferred_check_ins.sql");
