-- What a list of many keys is searched and sorted by, and what tells how keys are looked after.
ALTER TABLE keys ADD COLUMN folded TEXT NOT NULL DEFAULT '';  -- the name without case and accents: see fold() in the domain
ALTER TABLE keys ADD COLUMN admin_used_at INTEGER;            -- when a request last needed the scope admin
ALTER TABLE keys ADD COLUMN replaces TEXT;                    -- the key in whose place this one was made

UPDATE keys SET folded = fold(name);

CREATE INDEX keys_active_by_name ON keys (folded) WHERE revoked_at IS NULL;
CREATE INDEX keys_revoked ON keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX keys_by_replaced ON keys (replaces) WHERE replaces IS NOT NULL;
