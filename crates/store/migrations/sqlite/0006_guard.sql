-- Detects changes by other programs: one row, made when a service first opens the database.
CREATE TABLE guard (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    keys   INTEGER NOT NULL,  -- how many there are
    digest INTEGER NOT NULL   -- the sum of their fingerprints
) STRICT;

-- The records of revocations that this database has seen: one for each computer on which a service opened it.
CREATE TABLE records (
    id       TEXT    PRIMARY KEY,
    entries  INTEGER NOT NULL,  -- how many of its entries were seen
    checksum TEXT    NOT NULL   -- of the last of them
) STRICT;

-- The days on which the service ran, in the order in which they were last seen. One day of a wrong clock is one of many.
CREATE TABLE days (
    seen INTEGER PRIMARY KEY AUTOINCREMENT,
    day  INTEGER NOT NULL UNIQUE  -- days since 1970, UTC
) STRICT;

ALTER TABLE activity ADD COLUMN change TEXT;   -- changedOutside: how, and how many keys
ALTER TABLE activity ADD COLUMN keys INTEGER;
