-- The first schema. A delivery's key is its broadcast's number * 2^32 + its position, so that the
-- deliveries of one broadcast lie side by side and a key costs five bytes.

CREATE TABLE broadcast (
    number        INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    action        TEXT NOT NULL,               -- send, edit or recall
    target        INTEGER,                     -- the broadcast whose messages are edited or recalled
    text          TEXT NOT NULL,               -- frozen; empty for a recall
    format        TEXT NOT NULL,
    once_key      TEXT UNIQUE,
    created_at    INTEGER NOT NULL,            -- every time is UTC in milliseconds since 1970
    server        TEXT,                        -- where it is sent, and as whom, once it has started
    account       INTEGER,
    update_state  TEXT,                        -- the account's when it started: ids are found from it
    total         INTEGER NOT NULL,            -- deliveries
    end_position  INTEGER NOT NULL,            -- positions are below this; an edit leaves gaps
    next_position INTEGER NOT NULL DEFAULT 0,  -- the first position that was never claimed
    sent          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    state         TEXT NOT NULL DEFAULT 'open',-- open, paused, cancelled or done
    wanted        TEXT,                        -- the state that its process is asked to leave it in
    note          TEXT,                        -- why the last run stopped early
    epoch         INTEGER NOT NULL DEFAULT 0,  -- grows with every process that takes it over
    owner         TEXT,                        -- that process
    lease_until   INTEGER
);

-- The frozen audience. `peer` is a number where the contact list has a bare id: five bytes, not ten.
CREATE TABLE recipient (
    key     INTEGER PRIMARY KEY,
    peer    NOT NULL,
    contact TEXT                               -- JSON of name, tags and fields, where there are any
);

-- Final states only, and each written once: the primary key refuses a second one.
CREATE TABLE outcome (
    key        INTEGER PRIMARY KEY,
    sent       INTEGER NOT NULL,               -- 1 sent, 0 failed: neither costs a byte
    message_id INTEGER,
    at         INTEGER NOT NULL,               -- milliseconds after the broadcast was created
    error      TEXT
);

-- Deliveries to be tried (again) before those that were never claimed.
CREATE TABLE waiting (
    key      INTEGER PRIMARY KEY,
    due      INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error    TEXT,
    doubt    INTEGER NOT NULL DEFAULT 0,       -- 1: perhaps sent; stays so until it is settled
    claimed  INTEGER NOT NULL DEFAULT 0        -- being sent now
);
CREATE INDEX waiting_due ON waiting (due) WHERE due > 0;  -- those that must wait for a moment

-- Intents: positions from first to last are being sent. What has no outcome after a crash is in
-- doubt, and sent again with the same random_id.
CREATE TABLE slice (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
);
