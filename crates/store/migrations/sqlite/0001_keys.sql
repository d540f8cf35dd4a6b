-- "ULKY": tells our databases from other programs' (https://sqlite.org/fileformat2.html#application_id).
PRAGMA application_id = 0x554C4B59;

CREATE TABLE keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL CHECK (name <> ''),
    prefix       TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of the whole key
    scopes       TEXT    NOT NULL CHECK (scopes <> ''),              -- separated by spaces
    created_at   INTEGER NOT NULL,                                   -- milliseconds since 1970, UTC, as below
    last_used_at INTEGER,
    revoked_at   INTEGER                                             -- set once, never cleared
) STRICT;

CREATE INDEX keys_active_by_age ON keys (created_at) WHERE revoked_at IS NULL;
