-- Facts of their own for what was kept in words, and leases that no wall clock ends.

-- Sent messages that wait in Telegram's schedule. The note of their outcome said so before. A table
-- of its own, because a column costs a byte for each of a million messages that do not wait.
CREATE TABLE scheduled (
    key   INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
);
INSERT INTO scheduled (key, until)
SELECT key, coalesce(strftime('%s', substr(note, 19, 16)), 0) * 1000 FROM outcome
WHERE sent = 1 AND note LIKE 'at Telegram until %';
UPDATE outcome SET note = NULL WHERE sent = 1 AND note LIKE 'at Telegram until %';

-- 1: what stopped the last run ends by itself, so nobody has to look at it.
ALTER TABLE broadcast ADD COLUMN ends_by_itself INTEGER NOT NULL DEFAULT 0;
UPDATE broadcast SET ends_by_itself = 1
WHERE halted IS NULL OR halted IN ('OFFLINE', 'WAIT_TOO_LONG');

-- When the lease ends: milliseconds on the clock of the owner's machine that only goes forwards.
-- `lease_until` says the same on the wall's, for who is on another machine and cannot read that one.
ALTER TABLE broadcast ADD COLUMN alive_until INTEGER;
CREATE INDEX broadcast_owned ON broadcast (number) WHERE owner IS NOT NULL;
