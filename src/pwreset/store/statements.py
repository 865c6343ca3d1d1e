"""Every statement, by name, as SQLite has it; `postgres_statements` tells the few that PostgreSQL has otherwise.

Parameters are named; state changes are one conditional statement each. Each of them uses an index, which the tests check: a store of a million links answers like one of ten.
"""

# ruff: noqa: S608 - what is put into the texts here are our own constants, column lists

from __future__ import annotations

from pwreset.store.rows import CHALLENGE_COLUMNS, DELIVERY_COLUMNS, EVENT_COLUMNS, REQUEST_COLUMNS

# --- requests ----------------------------------------------------------------------------------------------------

ADD_REQUEST = """
INSERT INTO requests (id, digest, domain, user_id, user_login, user_name, mode, origin, asked_by, asked_from,
    correlation, created_at, expires_at, password_mark, sent_to, binding, demand, state)
VALUES (:id, :digest, :domain, :user_id, :user_login, :user_name, :mode, :origin, :asked_by, :asked_from,
    :correlation, :created_at, :expires_at, :password_mark, :sent_to, :binding, :demand, 'pending')
"""

ADD_ONCE = "INSERT INTO once (key, request_id) VALUES (:key, :request_id) ON CONFLICT (key) DO NOTHING"
GET_ONCE = "SELECT request_id FROM once WHERE key = :key"
DELETE_ONCE = "DELETE FROM once WHERE request_id = :request_id"

FIND_REQUEST = f"SELECT {REQUEST_COLUMNS} FROM requests WHERE digest = :digest"

GET_REQUEST = f"SELECT {REQUEST_COLUMNS} FROM requests WHERE id = :id"


def ending(which: str) -> str:
    """Ends living links: a pending one dies at once; a claimed one is only doomed, since its password may be on its way."""
    return f"""
UPDATE requests
SET settled_at = CASE requests.state WHEN 'pending' THEN :now END,
    settled_why = CASE requests.state WHEN 'pending' THEN :why ELSE '' END,
    doom = CASE WHEN requests.state = 'claimed' AND requests.doom = '' THEN :why ELSE requests.doom END,
    state = CASE requests.state WHEN 'pending' THEN 'revoked' ELSE requests.state END
{which}
RETURNING requests.id, requests.state
"""


_MINE = "FROM (SELECT domain, user_id, sequence FROM requests WHERE id IN (SELECT value FROM json_each(:ids))) AS mine"
# By the ids of deliveries: only a link that was sent counts, and only while it lives.
_SENT = """
FROM (
    SELECT link.domain, link.user_id, link.sequence FROM deliveries JOIN requests AS link ON link.id = request_id
    WHERE deliveries.id IN (SELECT value FROM json_each(:ids)) AND deliveries.state = 'sent'
        AND message = 'reset-link' AND link.settled_at IS NULL
) AS mine
"""
_SAME_USER = """
WHERE requests.user_id = mine.user_id AND requests.domain = mine.domain AND requests.settled_at IS NULL
"""

END_OLDER = ending(f"{_MINE} {_SAME_USER} AND requests.sequence < mine.sequence")
END_OTHERS = ending(f"{_MINE} {_SAME_USER} AND requests.sequence <> mine.sequence")
END_OLDER_THAN_SENT = ending(f"{_SENT} {_SAME_USER} AND requests.sequence < mine.sequence")

CLAIM_REQUEST = """
UPDATE requests
SET state = 'claimed', claimed_until = :until, claim_mark = :mark
WHERE id = :id AND state = 'pending' AND expires_at > :now
    AND NOT EXISTS (
        SELECT 1 FROM requests AS other
        WHERE other.user_id = requests.user_id AND other.settled_at IS NULL AND other.domain = requests.domain
            AND other.claimed_until > :now
    )
"""

RELEASE_REQUEST = """
UPDATE requests
SET settled_at = CASE doom WHEN '' THEN NULL ELSE :now END,
    settled_why = doom,
    state = CASE doom WHEN '' THEN 'pending' ELSE 'revoked' END,
    claimed_until = NULL, claim_mark = ''
WHERE id = :id AND state = 'claimed' AND claimed_until = coalesce(:lease, claimed_until)
RETURNING state
"""

USE_REQUEST = """
UPDATE requests
SET state = 'used', settled_at = :now, settled_why = 'used', claimed_until = NULL
WHERE id = :id AND state = 'claimed' AND claimed_until = coalesce(:lease, claimed_until)
"""

REVOKE_REQUEST = """
UPDATE requests
SET settled_at = CASE state WHEN 'pending' THEN :now END,
    settled_why = CASE state WHEN 'pending' THEN :why ELSE '' END,
    doom = CASE WHEN state = 'claimed' AND doom = '' THEN :why ELSE doom END,
    state = CASE state WHEN 'pending' THEN 'revoked' ELSE state END
WHERE id = :id AND settled_at IS NULL
"""

DISOWN_REQUEST = """
UPDATE requests
SET settled_at = CASE state WHEN 'claimed' THEN NULL ELSE coalesce(settled_at, :now) END,
    settled_why = CASE state WHEN 'claimed' THEN '' ELSE :why END,
    doom = CASE state WHEN 'claimed' THEN :why ELSE doom END,
    state = CASE state WHEN 'pending' THEN 'revoked' ELSE state END
WHERE id = :id AND settled_why <> :why AND doom <> :why
"""

EXPIRED_CLAIMS = f"""
SELECT {REQUEST_COLUMNS} FROM requests
WHERE state = 'claimed' AND claimed_until <= :now
ORDER BY claimed_until LIMIT :limit
"""

# The domains that occur, by skipping from one to the next in the index.
DOMAINS = """
WITH RECURSIVE each_domain (name) AS (
    SELECT min(domain) FROM requests
    UNION ALL
    SELECT (SELECT min(domain) FROM requests WHERE domain > each_domain.name) FROM each_domain
    WHERE each_domain.name IS NOT NULL
)
SELECT name FROM each_domain WHERE name IS NOT NULL
"""

LIST_BY_STATE = f"""
SELECT {REQUEST_COLUMNS} FROM requests
WHERE domain = :domain AND state = :state AND sequence < :before AND expires_at > :after AND expires_at <= :until
ORDER BY sequence DESC LIMIT :limit
"""

LIST_BY_USER = f"""
SELECT {REQUEST_COLUMNS} FROM requests
WHERE (user_login = :user COLLATE NOCASE OR user_id = :user) AND sequence < :before
ORDER BY sequence DESC
"""

# --- the second factor -------------------------------------------------------------------------------------------

GET_CHALLENGE = f"SELECT {CHALLENGE_COLUMNS} FROM challenges WHERE request_id = :request_id"

RENEW_CHALLENGE = """
INSERT INTO challenges AS kept (request_id, mark, sent_at, expires_at, spent_by)
VALUES (:request_id, :mark, :sent_at, :expires_at, x'')
ON CONFLICT (request_id) DO UPDATE
SET mark = excluded.mark, sent_at = excluded.sent_at, expires_at = excluded.expires_at, tries = 0,
    codes = kept.codes + 1, spent_by = x''
WHERE kept.sent_at <= :before AND kept.codes < :most
"""

TAKE_TRY = f"""
UPDATE challenges SET tries = tries + 1, total = total + 1
WHERE request_id = :request_id AND expires_at > :now AND tries < :most AND total < :most_in_all
RETURNING {CHALLENGE_COLUMNS}
"""

RETURN_TRY = "UPDATE challenges SET total = total - 1 WHERE request_id = :request_id AND total > 0"

# Once, and again by the form that did it.
SPEND_CODE = """
UPDATE challenges SET spent_by = :by WHERE request_id = :request_id AND mark = :mark AND spent_by = x''
"""
SPENT_BY = "SELECT 1 FROM challenges WHERE request_id = :request_id AND mark = :mark AND spent_by = :by"

DELETE_CHALLENGE = "DELETE FROM challenges WHERE request_id = :request_id"

# --- deliveries --------------------------------------------------------------------------------------------------

ADD_DELIVERY = """
INSERT INTO deliveries (id, request_id, domain, message, channel, address, body, created_at, not_after, due_at, state,
    attempts, detail)
VALUES (:id, :request_id, :domain, :message, :channel, :address, :body, :created_at, :not_after, :due_at, 'queued',
    :attempts, :detail)
"""

DELIVERIES_OF_REQUEST = f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE request_id = :request_id ORDER BY sequence"

DUE_DELIVERIES = f"""
SELECT {DELIVERY_COLUMNS} FROM deliveries
WHERE channel = :channel AND settled_at IS NULL AND due_at <= :now
ORDER BY due_at LIMIT :limit
"""

LEASE_DELIVERIES = "UPDATE deliveries SET due_at = :until WHERE id IN (SELECT value FROM json_each(:ids))"

RECLAIM_DELIVERIES = """
UPDATE deliveries SET due_at = :now WHERE channel = :channel AND settled_at IS NULL AND due_at > :now
"""

# Outcomes: JSON, [[id, state, at, detail], ...]. It returns no rows: each would cost a change of threads.
SETTLE_DELIVERIES = """
UPDATE deliveries
SET state = outcome.state, settled_at = outcome.at, attempts = deliveries.attempts + 1, detail = outcome.detail,
    body = x''
FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS state, json_extract(value, '$[2]') AS at,
        json_extract(value, '$[3]') AS detail
    FROM json_each(:outcomes)
) AS outcome
WHERE deliveries.id = outcome.id AND deliveries.settled_at IS NULL
"""

GET_DELIVERY = f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = :id"

# A report says nothing new when one of the same or more weight is there.
REPORT_DELIVERY = """
UPDATE deliveries SET report = :report, reported_at = :at, report_detail = :detail
WHERE id = :id
    AND CASE report WHEN 'failed' THEN 2 WHEN 'delivered' THEN 1 WHEN 'buffered' THEN 0 ELSE -1 END < :weight
"""

DEFER_DELIVERY = """
UPDATE deliveries SET due_at = :due_at, attempts = attempts + 1, detail = :detail
WHERE id = :id AND settled_at IS NULL
"""

# What waits for a dead link is not sent any more.
ABANDON_DELIVERIES = """
UPDATE deliveries SET state = 'abandoned', settled_at = :now, detail = :detail, body = x''
WHERE request_id = :request_id AND settled_at IS NULL
"""

ABANDON_LINKS = f"{ABANDON_DELIVERIES} AND message IN ('reset-link', 'asked-link', 'reset-code')"
ABANDON_CODES = f"{ABANDON_DELIVERIES} AND message = 'reset-code'"

# What stands before the nonce of a sealed body: it names the key.
SEALS = "SELECT DISTINCT substr(body, 1, :length) FROM deliveries WHERE channel = :channel AND settled_at IS NULL"

NEXT_DUE = """
SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM deliveries WHERE channel = 'mail' AND settled_at IS NULL
    UNION ALL
    SELECT min(due_at) FROM deliveries WHERE channel = 'sms' AND settled_at IS NULL
) AS each_channel
"""

SMS_SINCE = """
SELECT created_at, address FROM deliveries WHERE channel = 'sms' AND created_at >= :since ORDER BY created_at, sequence
"""

# --- the audit trail ---------------------------------------------------------------------------------------------

ADD_EVENT = """
INSERT INTO events (name, at, actor, domain, "user", address, request_id, correlation, facts)
VALUES (:name, :at, :actor, :domain, :user, :address, :request_id, :correlation, :facts)
"""

EVENTS_AFTER = f"SELECT {EVENT_COLUMNS} FROM events WHERE sequence > :after ORDER BY sequence LIMIT :limit"

# On one writer's store the order of the numbers is that of the commits, so a block is what lies between two of them.
EVENTS_TO_CHAIN = f"SELECT {EVENT_COLUMNS} FROM events WHERE sequence > :last ORDER BY sequence LIMIT :limit"

EVENTS_OF_BLOCK = f"SELECT {EVENT_COLUMNS} FROM events WHERE sequence BETWEEN :first AND :last ORDER BY sequence"

LOWEST_EVENT = "SELECT min(sequence) FROM events"

NEWEST_BLOCK = """
SELECT number, first, last, last_at, digest, purged FROM blocks WHERE node = :node ORDER BY number DESC LIMIT 1
"""

NEXT_BLOCK = """
SELECT number, first, last, last_at, digest, purged FROM blocks
WHERE node = :node AND number > :after ORDER BY number LIMIT 1
"""

ADD_BLOCK = """
INSERT INTO blocks (node, number, first, last, last_at, digest)
VALUES (:node, :number, :first, :last, :last_at, :digest)
"""

GET_HEAD = "SELECT number, mark FROM heads WHERE node = :node"

SET_HEAD = """
INSERT INTO heads (node, number, mark) VALUES (:node, :number, :mark)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, mark = excluded.mark
"""

# --- counting and purging ----------------------------------------------------------------------------------------

COUNT_LIVE_LINKS = "SELECT count(*) FROM requests WHERE settled_at IS NULL AND expires_at > :now"
COUNT_CLAIMED_LINKS = "SELECT count(*) FROM requests WHERE state = 'claimed' AND claimed_until > 0"
COUNT_QUEUED = "SELECT count(*) FROM deliveries WHERE channel = :channel AND settled_at IS NULL"
# Along the index of what waits, so it takes as long as that is.
OLDEST_QUEUED = "SELECT min(created_at) FROM deliveries WHERE channel = :channel AND settled_at IS NULL"
COUNT_ABANDONED = "SELECT count(*) FROM deliveries WHERE state = 'abandoned'"

# A request goes once it is over and nothing of it waits to be sent any more.
_NOTHING_WAITS = """
    AND NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE deliveries.request_id = requests.id AND deliveries.settled_at IS NULL AND deliveries.not_after >= :before
    )
"""

OLD_SETTLED_REQUESTS = f"""
SELECT id FROM requests WHERE settled_at IS NOT NULL AND settled_at < :before {_NOTHING_WAITS}
ORDER BY settled_at LIMIT :limit
"""

OLD_EXPIRED_REQUESTS = f"""
SELECT id FROM requests WHERE settled_at IS NULL AND expires_at < :before AND state = 'pending' {_NOTHING_WAITS}
ORDER BY expires_at LIMIT :limit
"""

DELETE_DELIVERIES = "DELETE FROM deliveries WHERE request_id = :request_id"
DELETE_REQUEST = "DELETE FROM requests WHERE id = :id"

OLDEST_BLOCKS = """
SELECT number, first, last, last_at, digest, purged FROM blocks
WHERE node = :node AND purged = 0 ORDER BY number LIMIT :limit
"""

DELETE_EVENTS = "DELETE FROM events WHERE sequence <= :last"
DELETE_BLOCKS = "DELETE FROM blocks WHERE node = :node AND number < :number"
MARK_CHECKPOINT = "UPDATE blocks SET purged = 1 WHERE node = :node AND number = :number"

BEAT = "UPDATE heartbeat SET at = :now WHERE one = 1"
