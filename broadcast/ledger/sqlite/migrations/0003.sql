-- The whole message, the parts of a long one, and schedules.

ALTER TABLE broadcast ADD COLUMN content TEXT;       -- JSON of all but text and format; NULL: as usual
ALTER TABLE broadcast ADD COLUMN later_parts INTEGER NOT NULL DEFAULT 0;  -- of `total`: not the first
ALTER TABLE broadcast ADD COLUMN due_first INTEGER;  -- when the first of it goes out; NULL: at once
ALTER TABLE broadcast ADD COLUMN due_last INTEGER;   -- another one where each has a time of their own
ALTER TABLE broadcast ADD COLUMN at_telegram INTEGER NOT NULL DEFAULT 0;  -- 1: Telegram keeps it until then
ALTER TABLE broadcast ADD COLUMN halted TEXT;        -- the error that stopped the last run

-- A message that was split has several rows for a recipient, side by side: NULL, 1, 2 ...
ALTER TABLE recipient ADD COLUMN part INTEGER;

ALTER TABLE outcome ADD COLUMN others TEXT;          -- JSON: the further message ids of an album
ALTER TABLE outcome ADD COLUMN note TEXT;            -- what could not be done; of a failure: its own words

-- Where each recipient has a time of their own all of them stand in `waiting`, and those that need
-- not wait must be found among them, and those that wait for another reason.
CREATE INDEX waiting_ready ON waiting (key) WHERE due = 0;
CREATE INDEX waiting_deferred ON waiting (due) WHERE due > 0 AND error IS NOT NULL;
