-- Times are milliseconds since 1970, UTC. A key_id is empty (NULL) where the app itself reported. JSON is kept as text.

CREATE TABLE models (
    id         TEXT    NOT NULL PRIMARY KEY,
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,  -- asked for
    slug       TEXT    NOT NULL,  -- given: the name, with a number if it was taken
    created_at INTEGER NOT NULL,
    UNIQUE (project, slug)
) STRICT;

CREATE INDEX models_by_name ON models (project, name);

CREATE TABLE runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: clients keep it
    model_id       TEXT    NOT NULL REFERENCES models (id),
    status         TEXT    NOT NULL,
    planned_epochs INTEGER,
    device         TEXT,
    started_at     INTEGER NOT NULL,
    last_event_at  INTEGER NOT NULL,
    ended_at       INTEGER,
    error          TEXT,
    train_args     TEXT,
    environment    TEXT,
    system         TEXT,
    model_info     TEXT,
    results        TEXT,
    class_names    TEXT,
    plots          TEXT,
    console_dropped INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX runs_by_model ON runs (model_id);

-- Which keys fed which run.
CREATE TABLE run_keys (
    key_id   TEXT    NOT NULL,
    run_id   INTEGER NOT NULL REFERENCES runs (id),
    first_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_keys_by_run ON run_keys (run_id);

CREATE TABLE epochs (
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    epoch        INTEGER NOT NULL,
    metrics      TEXT    NOT NULL,  -- {name: number or null}
    system       TEXT,
    fitness      REAL,
    best_fitness REAL,
    key_id       TEXT,
    received_at  INTEGER NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE console (
    run_id   INTEGER NOT NULL REFERENCES runs (id),
    chunk_id INTEGER NOT NULL,
    content  TEXT    NOT NULL,
    key_id   TEXT,
    PRIMARY KEY (run_id, chunk_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    id          TEXT    NOT NULL PRIMARY KEY,  -- also the file's name
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    filename    TEXT    NOT NULL,              -- where it came from
    size        INTEGER NOT NULL,              -- bytes
    state       TEXT    NOT NULL,
    key_id      TEXT,
    uploaded_at INTEGER NOT NULL
) STRICT;

CREATE INDEX checkpoints_by_run ON checkpoints (run_id);
