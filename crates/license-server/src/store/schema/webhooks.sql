-- Webhooks and the outbox of their deliveries.
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_secret_ends_at INTEGER,
    created_at INTEGER NOT NULL,
    pending INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER,
    failing_since INTEGER
) STRICT;

-- What a webhook wants: the type of an event, or * for all.
CREATE TABLE webhook_subscriptions (
    type TEXT NOT NULL,
    webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    PRIMARY KEY (type, webhook)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_subscriptions_of_webhook ON webhook_subscriptions (webhook);

-- `name` is the id that receivers see: random, so that none is used twice after a restored backup.
CREATE TABLE webhook_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    license INTEGER,
    data TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_events_by_age ON webhook_events (created_at);

CREATE INDEX webhook_events_of_refusals ON webhook_events (license, created_at) WHERE type = 'server.refused';

CREATE TABLE webhook_deliveries (
    webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event INTEGER NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'given up')),
    attempts INTEGER NOT NULL DEFAULT 0,
    queued_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    tried_at INTEGER,
    status INTEGER,
    answer TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (webhook, event)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at, event) WHERE state = 'pending';

CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (event);

-- The last notice of an expiry: 30, 7 or 1 days before, or 0 once it is over.
CREATE TABLE expiry_notices (
    license INTEGER PRIMARY KEY REFERENCES licenses (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    days INTEGER NOT NULL
) STRICT;
