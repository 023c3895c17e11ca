-- The figures of each day, in UTC: its number since 1970-01-01, and what was granted and refused on it. `servers` is the last
-- count of active servers, if there was one. A day on which the server did not run has no row.
CREATE TABLE daily_figures (
    day INTEGER PRIMARY KEY,
    granted INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    servers INTEGER
) STRICT;

-- The latest count of all licenses and servers, as JSON.
CREATE TABLE latest_figures (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    figures TEXT NOT NULL
) STRICT;
