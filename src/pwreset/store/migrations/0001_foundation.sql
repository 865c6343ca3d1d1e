-- Times are whole microseconds since 1970-01-01 UTC, so that a lifetime of hours is exact.
-- A request or delivery is alive while settled_at IS NULL.

CREATE TABLE requests (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_login TEXT NOT NULL,
    user_name TEXT NOT NULL,
    mode TEXT NOT NULL,
    origin TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_from TEXT NOT NULL,
    correlation TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    password_mark TEXT NOT NULL,
    sent_to TEXT NOT NULL, -- JSON: [[channel, address], ...]
    binding BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'used', 'revoked')),
    claimed_until INTEGER,
    claim_mark TEXT NOT NULL DEFAULT '',
    doom TEXT NOT NULL DEFAULT '', -- why a claimed one is revoked once it is released
    settled_at INTEGER,
    settled_why TEXT NOT NULL DEFAULT '',
    CHECK ((settled_at IS NULL) = (state IN ('pending', 'claimed')))
) STRICT;

-- A person's living links (supersede, claim, settle), and all of them (list).
CREATE INDEX requests_by_user ON requests (user_id, domain, settled_at);
CREATE INDEX requests_by_login ON requests (user_login COLLATE NOCASE);
CREATE INDEX requests_by_state ON requests (domain, state);
CREATE INDEX requests_claimed ON requests (claimed_until) WHERE state = 'claimed';
CREATE INDEX requests_alive ON requests (expires_at) WHERE settled_at IS NULL;
CREATE INDEX requests_settled ON requests (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE deliveries (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL REFERENCES requests (id),
    domain TEXT NOT NULL,
    message TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'abandoned')),
    attempts INTEGER NOT NULL,
    settled_at INTEGER,
    detail TEXT NOT NULL,
    CHECK ((settled_at IS NULL) = (state = 'queued'))
) STRICT;

CREATE INDEX deliveries_by_request ON deliveries (request_id);
CREATE INDEX deliveries_due ON deliveries (channel, due_at) WHERE settled_at IS NULL;
CREATE INDEX deliveries_abandoned ON deliveries (settled_at) WHERE state = 'abandoned';
CREATE INDEX deliveries_sms ON deliveries (created_at) WHERE channel = 'sms';

-- The audit trail. Rows are only ever appended, and purged in whole blocks from the beginning.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    domain TEXT NOT NULL,
    user TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    correlation TEXT NOT NULL,
    facts TEXT NOT NULL -- JSON object
) STRICT;

-- Its chain: each block's digest covers the one before. A purged block at the beginning is a checkpoint: its digest
-- stays, its events are gone.
CREATE TABLE blocks (
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    purged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (node, number)
) STRICT, WITHOUT ROWID;

-- Which block is the newest, under the key: without it a cut at the end of the chain would not show.
CREATE TABLE heads (
    node TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    mark BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What a health check writes.
CREATE TABLE heartbeat (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat (one, at) VALUES (1, 0);
