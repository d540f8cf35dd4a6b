-- How many bytes of training data each key has stored: in this database, with a fixed number for each row, and in files.
-- Triggers keep the sums right within the transaction of each change. The key is empty ('') where the app itself reported.
CREATE TABLE training_bytes (
    key_id TEXT    NOT NULL PRIMARY KEY,
    rows   INTEGER NOT NULL DEFAULT 0,
    files  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Files of checkpoints whose rows are deleted. An entry goes when its file is gone.
CREATE TABLE removed_files (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

ALTER TABLE runs ADD COLUMN key_id TEXT;  -- started it
ALTER TABLE runs ADD COLUMN results_dropped INTEGER NOT NULL DEFAULT 0;  -- 1: there was no space for them
UPDATE runs SET key_id = (SELECT key_id FROM run_keys WHERE run_id = runs.id ORDER BY first_at, key_id LIMIT 1);

INSERT INTO training_bytes (key_id, rows, files)
SELECT key_id, sum(rows), sum(files) FROM (
    SELECT coalesce(key_id, '') AS key_id, 500
        + coalesce(octet_length(error), 0) + coalesce(octet_length(train_args), 0)
        + coalesce(octet_length(environment), 0) + coalesce(octet_length(system), 0)
        + coalesce(octet_length(model_info), 0) + coalesce(octet_length(results), 0)
        + coalesce(octet_length(class_names), 0) + coalesce(octet_length(plots), 0) AS rows, 0 AS files FROM runs
    UNION ALL
    SELECT coalesce(key_id, ''), 100 + octet_length(metrics) + coalesce(octet_length(system), 0), 0 FROM epochs
    UNION ALL
    SELECT coalesce(key_id, ''), 64 + octet_length(content), 0 FROM console
    UNION ALL
    SELECT coalesce(key_id, ''), 0, CASE WHEN state = 'replaced' THEN 0 ELSE size END FROM checkpoints)
GROUP BY key_id;

CREATE TRIGGER runs_added AFTER INSERT ON runs BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 500
        + coalesce(octet_length(new.error), 0) + coalesce(octet_length(new.train_args), 0)
        + coalesce(octet_length(new.environment), 0) + coalesce(octet_length(new.system), 0)
        + coalesce(octet_length(new.model_info), 0) + coalesce(octet_length(new.results), 0)
        + coalesce(octet_length(new.class_names), 0) + coalesce(octet_length(new.plots), 0)
        WHERE key_id = coalesce(new.key_id, '');
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
        WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER runs_removed AFTER DELETE ON runs BEGIN
    UPDATE training_bytes SET rows = rows - 500
        - coalesce(octet_length(old.error), 0) - coalesce(octet_length(old.train_args), 0)
        - coalesce(octet_length(old.environment), 0) - coalesce(octet_length(old.system), 0)
        - coalesce(octet_length(old.model_info), 0) - coalesce(octet_length(old.results), 0)
        - coalesce(octet_length(old.class_names), 0) - coalesce(octet_length(old.plots), 0)
        WHERE key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER epochs_added AFTER INSERT ON epochs BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 100 + octet_length(new.metrics) + coalesce(octet_length(new.system), 0)
        WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER epochs_changed AFTER UPDATE ON epochs BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows - 100 - octet_length(old.metrics) - coalesce(octet_length(old.system), 0)
        WHERE key_id = coalesce(old.key_id, '');
    UPDATE training_bytes SET rows = rows + 100 + octet_length(new.metrics) + coalesce(octet_length(new.system), 0)
        WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER epochs_removed AFTER DELETE ON epochs BEGIN
    UPDATE training_bytes SET rows = rows - 100 - octet_length(old.metrics) - coalesce(octet_length(old.system), 0)
        WHERE key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER console_added AFTER INSERT ON console BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows + 64 + octet_length(new.content) WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER console_changed AFTER UPDATE ON console BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET rows = rows - 64 - octet_length(old.content) WHERE key_id = coalesce(old.key_id, '');
    UPDATE training_bytes SET rows = rows + 64 + octet_length(new.content) WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER console_removed AFTER DELETE ON console BEGIN
    UPDATE training_bytes SET rows = rows - 64 - octet_length(old.content) WHERE key_id = coalesce(old.key_id, '');
END;

CREATE TRIGGER checkpoints_added AFTER INSERT ON checkpoints BEGIN
    INSERT INTO training_bytes (key_id) SELECT coalesce(new.key_id, '')
        WHERE NOT EXISTS (SELECT 1 FROM training_bytes WHERE key_id = coalesce(new.key_id, ''));
    UPDATE training_bytes SET files = files + CASE WHEN new.state = 'replaced' THEN 0 ELSE new.size END
        WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER checkpoints_changed AFTER UPDATE OF state ON checkpoints BEGIN
    UPDATE training_bytes SET files = files
        + CASE WHEN new.state = 'replaced' THEN 0 ELSE new.size END
        - CASE WHEN old.state = 'replaced' THEN 0 ELSE old.size END
        WHERE key_id = coalesce(new.key_id, '');
END;

CREATE TRIGGER checkpoints_removed AFTER DELETE ON checkpoints BEGIN
    UPDATE training_bytes SET files = files - CASE WHEN old.state = 'replaced' THEN 0 ELSE old.size END
        WHERE key_id = coalesce(old.key_id, '');
END;
