-- Check-ins of a burst that are not yet in `activations.last_seen_at`, in the order in which they came. New rows are at the
-- end of the file's newest page, wherever their activations are. A row without an activation says nothing.
CREATE TABLE deferred_check_ins (
    number INTEGER PRIMARY KEY,
    license INTEGER NOT NULL,
    ip TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
