-- What is known of an account's limits, from one broadcast to the next.
CREATE TABLE account (
    id         INTEGER NOT NULL,
    server     TEXT NOT NULL,      -- empty for Telegram itself
    rate       REAL,               -- messages a second that were allowed, as learned
    burst      INTEGER,            -- and how many of them at once
    learned_at INTEGER,
    held_until INTEGER,            -- Telegram has named this time: nobody sends before
    PRIMARY KEY (id, server)
) WITHOUT ROWID;

-- How many of the sent messages cost Stars.
ALTER TABLE broadcast ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
