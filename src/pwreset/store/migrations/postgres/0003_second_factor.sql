-- Works with programs that know: 2
-- What must be shown beside the link: JSON, [factor, [[channel, address], ...], since], empty for nothing. `binding`
-- covers it, so that a program that does not know of it takes the row for one that somebody has edited.
ALTER TABLE requests ADD COLUMN demand TEXT NOT NULL DEFAULT '';

-- The tries at a link's second factor. It refers to no request by a key: programs that do not know this table purge
-- requests.
CREATE TABLE challenges (
    request_id TEXT PRIMARY KEY,
    mark BYTEA NOT NULL, -- HMAC of the newest code; empty where the factor is none of ours
    sent_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    total BIGINT NOT NULL DEFAULT 0,
    codes BIGINT NOT NULL DEFAULT 1,
    spent_by BYTEA NOT NULL
);
