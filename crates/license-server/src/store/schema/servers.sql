-- The last refusal of each address for a license, at most a hundred for each license. The row goes when the server is
-- granted. `denials` counts from `first_at` on.
CREATE TABLE refusals (
    license INTEGER NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
    ip TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    denials INTEGER NOT NULL,
    hostname TEXT,
    agent_version TEXT,
    panel_version TEXT,
    os TEXT,
    server_id TEXT,
    PRIMARY KEY (license, ip)
) STRICT, WITHOUT ROWID;

-- Servers that were revoked and are kept out until a time. `server_id` is the identity that the server had.
CREATE TABLE blocks (
    license INTEGER NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
    ip TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    server_id TEXT,
    PRIMARY KEY (license, ip)
) STRICT, WITHOUT ROWID;

