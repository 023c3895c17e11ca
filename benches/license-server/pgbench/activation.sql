-- The statements of one new activation of an unlimited license, as one transaction.
\set license random(0, :licenses / 10 - 1) * 10 + 4
\set server random(1, 2000000000)
BEGIN;
SELECT id FROM licenses WHERE id = :license FOR NO KEY UPDATE;
SELECT licenses.id, licenses.key, users.name, plans.slug, plans.max_servers, licenses.status, licenses.expires_at
    FROM licenses JOIN plans ON plans.slug = licenses.plan JOIN users ON users.id = licenses.owner
    WHERE licenses.id = :license;
SELECT EXISTS (SELECT 1 FROM refusals WHERE license = :license AND ip = 'x' || :server::text),
    EXISTS (SELECT 1 FROM blocks WHERE license = :license),
    EXISTS (SELECT 1 FROM activations WHERE license = :license AND server_id = 'id' || :server::text);
INSERT INTO events (at, license, role, actor, action, detail)
    VALUES (extract(epoch FROM now())::bigint, :license, 'server', 'x', 'activated', 'x') RETURNING id AS sequence \gset
INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, hostname, server_id)
    VALUES (:license, 'x' || :server::text, :sequence, 1, extract(epoch FROM now())::bigint, '127.0.0.1',
        'new-' || :server::text, 'id' || :server::text)
    ON CONFLICT DO NOTHING;
UPDATE licenses SET last_check_at = 1 WHERE id = :license AND last_check_at = 0;
SELECT id FROM webhooks WHERE EXISTS (SELECT 1 FROM webhook_subscriptions WHERE webhook = webhooks.id);
COMMIT;
