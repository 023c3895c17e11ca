-- Check-ins that are not yet in `activations.last_seen_at`. PostgreSQL's instances write none; a database that was moved here
-- from SQLite can have some.
CREATE TABLE deferred_check_ins (
    number BIGINT PRIMARY KEY,
    license BIGINT NOT NULL,
    ip TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
