-- The statements of one refresh, as one transaction.
\set license random(1, :licenses)
BEGIN;
SELECT licenses.id, licenses.key, users.name, plans.slug, plans.max_servers, licenses.status, licenses.expires_at
    FROM licenses JOIN plans ON plans.slug = licenses.plan JOIN users ON users.id = licenses.owner
    WHERE licenses.id = :license;
SELECT ip, sequence,
        EXISTS (SELECT 1 FROM refusals WHERE refusals.license = :license AND refusals.ip = activations.ip) AS refused,
        EXISTS (SELECT 1 FROM blocks WHERE blocks.license = :license) AS blocked
    FROM activations WHERE license = :license LIMIT 1 \gset
SELECT count(*) FROM (
    SELECT 1 FROM activations WHERE license = :license AND sequence < :sequence ORDER BY sequence LIMIT 5) AS earlier;
UPDATE activations SET last_seen_at = greatest(last_seen_at, extract(epoch FROM now())::bigint), observed_ip = '127.0.0.1'
    WHERE license = :license AND ip = :ip;
COMMIT;
