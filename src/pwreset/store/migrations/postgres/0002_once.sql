-- What was asked for under a key is done once: the key is written with the request, in one transaction.
CREATE TABLE once (
    key TEXT PRIMARY KEY,
    request_id TEXT NOT NULL
);

CREATE INDEX once_by_request ON once (request_id);
