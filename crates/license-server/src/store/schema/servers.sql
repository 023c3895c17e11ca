-- A server with an IPv4 and an IPv6 address is one activation with a pair of addresses: `ip` and `pair_ip`. Then
-- `own_seen_at` is the last check-in from `ip`, and `last_seen_at` the last from either. `former_ips` are addresses of the
-- same /64 that the server had before, each with the time at which it was replaced.
ALTER TABLE activations ADD COLUMN pair_ip TEXT;
ALTER TABLE activations ADD COLUMN pair_seen_at INTEGER;
ALTER TABLE activations ADD COLUMN pair_hostname TEXT;
ALTER TABLE activations ADD COLUMN own_seen_at INTEGER;
ALTER TABLE activations ADD COLUMN former_ips TEXT;

CREATE UNIQUE INDEX activations_by_pair ON activations (pair_ip, license) WHERE pair_ip IS NOT NULL;

-- Servers that took two slots until now: one identity at exactly one IPv4 and one IPv6 address of a license, with one host
-- name, in use at the same time.
UPDATE activations SET own_seen_at = activations.last_seen_at, pair_ip = pair.ip, pair_seen_at = pair.last_seen_at,
        pair_hostname = pair.hostname, last_seen_at = max(activations.last_seen_at, pair.last_seen_at)
    FROM activations AS pair
    WHERE pair.license = activations.license AND pair.server_id = activations.server_id AND activations.server_id <> ''
        AND activations.sequence < pair.sequence AND (activations.ip LIKE '%:%') <> (pair.ip LIKE '%:%')
        AND coalesce(lower(activations.hostname) = lower(pair.hostname), 1)
        AND abs(activations.last_seen_at - pair.last_seen_at) < 604800
        AND (SELECT count(*) FROM activations AS third
            WHERE third.license = activations.license AND third.server_id = activations.server_id) = 2;

DELETE FROM activations WHERE EXISTS (SELECT 1 FROM activations AS pair
    WHERE pair.license = activations.license AND pair.pair_ip = activations.ip);

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

