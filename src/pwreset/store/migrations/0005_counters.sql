-- What happened under a key, for limits: when (JSON, oldest first), and until when the last of it counts. The key is a
-- digest. Rows are found by their number alone, which rises: an index by digests would cost a page for each row written.
CREATE TABLE counters (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    times TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
