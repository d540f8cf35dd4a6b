-- Requests of each key by hour and outcome. Kept for 90 days.
CREATE TABLE usage (
    key_id   TEXT    NOT NULL,
    hour     INTEGER NOT NULL,                       -- hours since 1970, UTC
    outcome  TEXT    NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour, outcome)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_hour ON usage (hour);

-- The programs that used a key. An unnamed program has the agent ''.
CREATE TABLE sources (
    key_id        TEXT    NOT NULL,
    peer          TEXT    NOT NULL,
    agent         TEXT    NOT NULL,
    first_used_at INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    requests      INTEGER NOT NULL,
    PRIMARY KEY (key_id, peer, agent)
) STRICT, WITHOUT ROWID;

-- What happened, in the order in which it was written. The columns after agent belong to some kinds only.
CREATE TABLE activity (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    key_id   TEXT    NOT NULL,                       -- '' where a request presented no key that exists
    peer     TEXT    NOT NULL,
    agent    TEXT    NOT NULL,
    by_key   TEXT,                                   -- created, renamed, revoked: the key that did it, if it was one
    old_name TEXT,                                   -- renamed
    new_name TEXT,
    outcome  TEXT,                                   -- refused
    hour     INTEGER,
    requests INTEGER,
    last_at  INTEGER
) STRICT;

CREATE INDEX activity_by_key ON activity (key_id, id);
CREATE INDEX activity_by_time ON activity (at);
CREATE UNIQUE INDEX activity_refusals ON activity (key_id, outcome, peer, hour) WHERE kind = 'refused';
