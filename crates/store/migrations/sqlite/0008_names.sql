-- Descriptive names for tables and columns. Stored values do not change.
ALTER TABLE keys RENAME COLUMN folded TO normalized_name;  -- see normalize_for_search() in the domain

ALTER TABLE sources RENAME TO clients;
ALTER TABLE clients RENAME COLUMN agent TO user_agent;

ALTER TABLE activity RENAME COLUMN agent TO user_agent;
ALTER TABLE activity RENAME COLUMN by_key TO actor_key_id;

ALTER TABLE guard RENAME TO key_digest;
ALTER TABLE records RENAME TO revocation_records;
ALTER TABLE days RENAME TO service_days;
