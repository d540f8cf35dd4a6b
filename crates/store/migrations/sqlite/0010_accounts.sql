-- Gives every table that holds an account's data the column account_id, first in its keys and indexes.
--
-- The following tables describe the database, not an account, so they have no account: change_counter (one order of the
-- changes to all keys), key_digest (a checksum of all keys), revocation_records (files outside the database),
-- service_days (the clock of the computer), and usage_batches (a batch contains usage of any account).
--
-- SQLite cannot change the primary key of a table, so each table is renamed, created again, filled, and dropped.
-- Foreign keys are not enforced while migrations run: see open.rs.

-- Renaming a table then leaves views as they are, so a view of the owner reads the new table.
PRAGMA legacy_alter_table = ON;

-- Indexes and triggers that the owner has added. They are created again after this migration: see open.rs.
CREATE TEMP TABLE owner_statements AS SELECT sql FROM main.sqlite_schema
WHERE type IN ('index', 'trigger') AND sql IS NOT NULL
    AND lower(tbl_name) IN ('keys', 'usage', 'clients', 'activity', 'models', 'runs', 'run_keys', 'epochs', 'console',
        'checkpoints', 'training_bytes', 'removed_files')
    AND name NOT IN ('keys_active_by_age', 'keys_active_by_name', 'keys_revoked', 'keys_by_replaced',
        'keys_by_revision', 'usage_by_hour', 'activity_by_key', 'activity_by_time', 'activity_refusals', 'models_by_name', 'runs_by_model',
        'run_keys_by_run', 'checkpoints_by_run', 'runs_added', 'runs_changed', 'runs_removed', 'epochs_added',
        'epochs_changed', 'epochs_removed', 'console_added', 'console_changed', 'console_removed', 'checkpoints_added',
        'checkpoints_changed', 'checkpoints_removed');

CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id > 0)
) STRICT;
INSERT INTO accounts (id) VALUES (1);  -- the only account of the service that is embedded in the app

ALTER TABLE keys RENAME TO keys_before;
CREATE TABLE keys (
    account_id      INTEGER NOT NULL REFERENCES accounts (id),
    id              TEXT    NOT NULL,
    name            TEXT    NOT NULL CHECK (name <> ''),
    normalized_name TEXT    NOT NULL DEFAULT '',                        -- see normalize_for_search() in the domain
    prefix          TEXT    NOT NULL,
    -- SHA-256 of the whole key, unique over all accounts: a request is looked up by it before its account is known.
    hash            BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes          TEXT    NOT NULL CHECK (scopes <> ''),              -- separated by spaces
    created_at      INTEGER NOT NULL,                                   -- milliseconds since 1970, UTC, as below
    last_used_at    INTEGER,
    admin_used_at   INTEGER,                                            -- when a request last needed the scope admin
    revoked_at      INTEGER,                                            -- set once, never cleared
    replaces        TEXT,                                               -- the key in whose place this one was made
    revision        INTEGER NOT NULL DEFAULT 0,                         -- the last change to this key
    PRIMARY KEY (account_id, id)
) STRICT;
-- The number of a row orders keys that were created at the same time.
INSERT INTO keys (rowid, account_id, id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at,
    admin_used_at, revoked_at, replaces, revision)
SELECT rowid, 1, id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at, admin_used_at, revoked_at,
    replaces, revision FROM keys_before;
DROP TABLE keys_before;

ALTER TABLE usage RENAME TO usage_before;
-- Requests of each key by hour and outcome. Kept for 90 days.
CREATE TABLE usage (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    key_id     TEXT    NOT NULL,
    hour       INTEGER NOT NULL,  -- hours since 1970, UTC
    outcome    TEXT    NOT NULL,
    requests   INTEGER NOT NULL,
    PRIMARY KEY (account_id, key_id, hour, outcome)
) STRICT, WITHOUT ROWID;
INSERT INTO usage (account_id, key_id, hour, outcome, requests)
SELECT 1, key_id, hour, outcome, requests FROM usage_before;
DROP TABLE usage_before;

ALTER TABLE clients RENAME TO clients_before;
-- The programs that used a key. An unnamed program has the user agent ''.
CREATE TABLE clients (
    account_id    INTEGER NOT NULL REFERENCES accounts (id),
    key_id        TEXT    NOT NULL,
    peer          TEXT    NOT NULL,
    user_agent    TEXT    NOT NULL,
    first_used_at INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    requests      INTEGER NOT NULL,
    PRIMARY KEY (account_id, key_id, peer, user_agent)
) STRICT, WITHOUT ROWID;
INSERT INTO clients (account_id, key_id, peer, user_agent, first_used_at, last_used_at, requests)
SELECT 1, key_id, peer, user_agent, first_used_at, last_used_at, requests FROM clients_before;
DROP TABLE clients_before;

ALTER TABLE activity RENAME TO activity_before;
-- What happened, in the order in which it was written. The columns after actor belong to some kinds only.
CREATE TABLE activity (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- of all accounts: a page of entries continues before a number
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,                   -- '' where a request presented no key that exists
    peer       TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    actor      TEXT    NOT NULL DEFAULT 'system',  -- 'system' (the service itself), 'session' (the app), or a key
    old_name   TEXT,                               -- renamed
    new_name   TEXT,
    outcome    TEXT,                               -- refused
    hour       INTEGER,
    requests   INTEGER,
    last_at    INTEGER,
    change     TEXT,                               -- changedOutside: how, and how many keys
    keys       INTEGER
) STRICT;
INSERT INTO activity (account_id, id, at, kind, key_id, peer, user_agent, actor, old_name, new_name, outcome, hour,
    requests, last_at, change, keys)
SELECT 1, id, at, kind, key_id, peer, user_agent, actor, old_name, new_name, outcome, hour, requests, last_at, change,
    keys FROM activity_before;
-- The last number that was given, even if its row is deleted.
DELETE FROM sqlite_sequence WHERE name = 'activity';
INSERT INTO sqlite_sequence (name, seq) SELECT 'activity', seq FROM sqlite_sequence WHERE name = 'activity_before';
DROP TABLE activity_before;

ALTER TABLE models RENAME TO models_before;
CREATE TABLE models (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    id         TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,  -- asked for
    slug       TEXT    NOT NULL,  -- given: the name, with a number if it was taken
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, project, slug)
) STRICT;
INSERT INTO models (account_id, id, project, name, slug, created_at)
SELECT 1, id, project, name, slug, created_at FROM models_before;
DROP TABLE models_before;

ALTER TABLE runs RENAME TO runs_before;
-- Times are milliseconds since 1970, UTC. A key_id is empty (NULL) where the app itself reported. JSON is kept as text.
CREATE TABLE runs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- of all accounts, never given twice: clients keep it
    account_id      INTEGER NOT NULL REFERENCES accounts (id),
    model_id        TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    planned_epochs  INTEGER,
    device          TEXT,
    started_at      INTEGER NOT NULL,
    last_event_at   INTEGER NOT NULL,
    ended_at        INTEGER,
    error           TEXT,
    train_args      TEXT,
    environment     TEXT,
    system          TEXT,
    model_info      TEXT,
    results         TEXT,
    class_names     TEXT,
    plots           TEXT,
    console_dropped INTEGER NOT NULL DEFAULT 0,
    key_id          TEXT,                               -- started it
    results_dropped INTEGER NOT NULL DEFAULT 0,         -- 1: there was no space for them
    UNIQUE (account_id, id),
    FOREIGN KEY (account_id, model_id) REFERENCES models (account_id, id)
) STRICT;
INSERT INTO runs (account_id, id, model_id, status, planned_epochs, device, started_at, last_event_at, ended_at,
    error, train_args, environment, system, model_info, results, class_names, plots, console_dropped, key_id,
    results_dropped)
SELECT 1, id, model_id, status, planned_epochs, device, started_at, last_event_at, ended_at, error, train_args,
    environment, system, model_info, results, class_names, plots, console_dropped, key_id, results_dropped FROM
    runs_before;
-- The last number that was given, even if its row is deleted.
DELETE FROM sqlite_sequence WHERE name = 'runs';
INSERT INTO sqlite_sequence (name, seq) SELECT 'runs', seq FROM sqlite_sequence WHERE name = 'runs_before';
DROP TABLE runs_before;

ALTER TABLE run_keys RENAME TO run_keys_before;
-- Which keys fed which run.
CREATE TABLE run_keys (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    key_id     TEXT    NOT NULL,
    run_id     INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    PRIMARY KEY (account_id, key_id, run_id),
    FOREIGN KEY (account_id, run_id) REFERENCES runs (account_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO run_keys (account_id, key_id, run_id, first_at)
SELECT 1, key_id, run_id, first_at FROM run_keys_before;
DROP TABLE run_keys_before;

ALTER TABLE epochs RENAME TO epochs_before;
CREATE TABLE epochs (
    account_id   INTEGER NOT NULL REFERENCES accounts (id),
    run_id       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    metrics      TEXT    NOT NULL,  -- {name: number or null}
    system       TEXT,
    fitness      REAL,
    best_fitness REAL,
    key_id       TEXT,
    received_at  INTEGER NOT NULL,
    PRIMARY KEY (account_id, run_id, epoch),
    FOREIGN KEY (account_id, run_id) REFERENCES runs (account_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO epochs (account_id, run_id, epoch, metrics, system, fitness, best_fitness, key_id, received_at)
SELECT 1, run_id, epoch, metrics, system, fitness, best_fitness, key_id, received_at FROM epochs_before;
DROP TABLE epochs_before;

ALTER TABLE console RENAME TO console_before;
CREATE TABLE console (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    run_id     INTEGER NOT NULL,
    chunk_id   INTEGER NOT NULL,
    content    TEXT    NOT NULL,
    key_id     TEXT,
    PRIMARY KEY (account_id, run_id, chunk_id),
    FOREIGN KEY (account_id, run_id) REFERENCES runs (account_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO console (account_id, run_id, chunk_id, content, key_id)
SELECT 1, run_id, chunk_id, content, key_id FROM console_before;
DROP TABLE console_before;

ALTER TABLE checkpoints RENAME TO checkpoints_before;
CREATE TABLE checkpoints (
    account_id  INTEGER NOT NULL REFERENCES accounts (id),
    id          TEXT    NOT NULL,  -- also the file's name
    run_id      INTEGER NOT NULL,
    filename    TEXT    NOT NULL,  -- where it came from
    size        INTEGER NOT NULL,  -- bytes
    state       TEXT    NOT NULL,
    key_id      TEXT,
    uploaded_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (account_id, run_id) REFERENCES runs (account_id, id)
) STRICT;
-- The number of a row orders the checkpoints of a run.
INSERT INTO checkpoints (rowid, account_id, id, run_id, filename, size, state, key_id, uploaded_at)
SELECT rowid, 1, id, run_id, filename, size, state, key_id, uploaded_at FROM checkpoints_before;
DROP TABLE checkpoints_before;

ALTER TABLE training_bytes RENAME TO training_bytes_before;
-- How many bytes of training data each key has stored: in this database, with a fixed number for each row, and in
-- files. Triggers keep the sums right within the transaction of each change. The key is empty ('') where the app itself
-- reported.
CREATE TABLE training_bytes (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    key_id     TEXT    NOT NULL,
    rows       INTEGER NOT NULL DEFAULT 0,
    files      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, key_id)
) STRICT, WITHOUT ROWID;
INSERT INTO training_bytes (account_id, key_id, rows, files)
SELECT 1, key_id, rows, files FROM training_bytes_before;
DROP TABLE training_bytes_before;

ALTER TABLE removed_files RENAME TO removed_files_before;
-- Files of checkpoints whose rows are deleted. An entry goes when its file is gone.
CREATE TABLE removed_files (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    id         TEXT    NOT NULL,
    PRIMARY KEY (account_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO removed_files (account_id, id)
SELECT 1, id FROM removed_files_before;
DROP TABLE removed_files_before;

PRAGMA legacy_alter_table = OFF;

CREATE INDEX keys_active_by_age ON keys (account_id, created_at) WHERE revoked_at IS NULL;
CREATE INDEX keys_active_by_name ON keys (account_id, normalized_name) WHERE revoked_at IS NULL;
CREATE INDEX keys_revoked ON keys (account_id, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX keys_by_replaced ON keys (account_id, replaces) WHERE replaces IS NOT NULL;
CREATE INDEX keys_by_revision ON keys (account_id, revision);
CREATE INDEX usage_by_hour ON usage (account_id, hour);
-- An index ends with the number of each row, so this one and the next one list entries by their id.
CREATE INDEX activity_by_account ON activity (account_id);
CREATE INDEX activity_by_key ON activity (account_id, key_id);
CREATE INDEX activity_by_time ON activity (account_id, at);
CREATE UNIQUE INDEX activity_refusals ON activity (account_id, key_id, outcome, peer, hour) WHERE kind = 'refused';
CREATE INDEX models_by_name ON models (account_id, project, name);
CREATE INDEX runs_by_model ON runs (account_id, model_id);
CREATE INDEX run_keys_by_run ON run_keys (account_id, run_id);
CREATE INDEX checkpoints_by_run ON checkpoints (account_id, run_id);

CREATE TRIGGER runs_added AFTER INSERT ON runs BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 500
        + coalesce(octet_length(new.error), 0) + coalesce(octet_length(new.train_args), 0)
        + coalesce(octet_length(new.environment), 0) + coalesce(octet_length(new.system), 0)
        + coalesce(octet_length(new.model_info), 0) + coalesce(octet_length(new.results), 0)
        + coalesce(octet_length(new.class_names), 0) + coalesce(octet_length(new.plots), 0)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER runs_changed AFTER UPDATE OF
    error, train_args, environment, system, model_info, results, class_names, plots ON runs BEGIN
    UPDATE training_bytes SET rows = rows
        + coalesce(octet_length(new.error), 0) - coalesce(octet_length(old.error), 0)
        + coalesce(octet_length(new.train_args), 0) - coalesce(octet_length(old.train_args), 0)
        + coalesce(octet_length(new.environment), 0) - coalesce(octet_length(old.environment), 0)
        + coalesce(octet_length(new.system), 0) - coalesce(octet_length(old.system), 0)
        + coalesce(octet_length(new.model_info), 0) - coalesce(octet_length(old.model_info), 0)
        + coalesce(octet_length(new.results), 0) - coalesce(octet_length(old.results), 0)
        + coalesce(octet_length(new.class_names), 0) - coalesce(octet_length(old.class_names), 0)
        + coalesce(octet_length(new.plots), 0) - coalesce(octet_length(old.plots), 0)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER runs_removed AFTER DELETE ON runs BEGIN
    UPDATE training_bytes SET rows = rows - 500
        - coalesce(octet_length(old.error), 0) - coalesce(octet_length(old.train_args), 0)
        - coalesce(octet_length(old.environment), 0) - coalesce(octet_length(old.system), 0)
        - coalesce(octet_length(old.model_info), 0) - coalesce(octet_length(old.results), 0)
        - coalesce(octet_length(old.class_names), 0) - coalesce(octet_length(old.plots), 0)
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER epochs_added AFTER INSERT ON epochs BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 100 + octet_length(new.metrics) + coalesce(octet_length(new.system), 0)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER epochs_changed AFTER UPDATE ON epochs BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows - 100 - octet_length(old.metrics) - coalesce(octet_length(old.system), 0)
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
    UPDATE training_bytes SET rows = rows + 100 + octet_length(new.metrics) + coalesce(octet_length(new.system), 0)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER epochs_removed AFTER DELETE ON epochs BEGIN
    UPDATE training_bytes SET rows = rows - 100 - octet_length(old.metrics) - coalesce(octet_length(old.system), 0)
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER console_added AFTER INSERT ON console BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 64 + octet_length(new.content)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER console_changed AFTER UPDATE ON console BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows - 64 - octet_length(old.content)
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
    UPDATE training_bytes SET rows = rows + 64 + octet_length(new.content)
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER console_removed AFTER DELETE ON console BEGIN
    UPDATE training_bytes SET rows = rows - 64 - octet_length(old.content)
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER checkpoints_added AFTER INSERT ON checkpoints BEGIN
    INSERT INTO training_bytes (account_id, key_id) SELECT new.account_id, coalesce(new.key_id, '') WHERE NOT EXISTS (
        SELECT 1 FROM training_bytes WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET files = files + CASE WHEN new.state = 'replaced' THEN 0 ELSE new.size END
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER checkpoints_changed AFTER UPDATE OF state ON checkpoints BEGIN
    UPDATE training_bytes SET files = files
        + CASE WHEN new.state = 'replaced' THEN 0 ELSE new.size END
        - CASE WHEN old.state = 'replaced' THEN 0 ELSE old.size END
        WHERE account_id = new.account_id AND key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER checkpoints_removed AFTER DELETE ON checkpoints BEGIN
    UPDATE training_bytes SET files = files - CASE WHEN old.state = 'replaced' THEN 0 ELSE old.size END
        WHERE account_id = old.account_id AND key_id = coalesce(old.key_id, '');
END;
