-- The number of the last change to a key. Each transaction that changes a key takes the next number.
CREATE TABLE change_counter (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO change_counter (id, revision) VALUES (1, 0);

ALTER TABLE keys ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;  -- the last change to this key
CREATE INDEX keys_by_revision ON keys (revision);

-- Who made the change: 'system' (the service itself), 'session' (the app), or the identifier of a key.
ALTER TABLE activity ADD COLUMN actor TEXT NOT NULL DEFAULT 'system';
UPDATE activity SET actor = coalesce(actor_key_id, 'session') WHERE kind IN ('created', 'renamed', 'revoked');
ALTER TABLE activity DROP COLUMN actor_key_id;

-- The last batches of usage that were stored, so that a repeated batch is not counted twice.
CREATE TABLE usage_batches (
    number INTEGER PRIMARY KEY,
    id     BLOB    NOT NULL UNIQUE
) STRICT;
