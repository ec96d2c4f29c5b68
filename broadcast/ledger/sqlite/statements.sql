-- name: insert_broadcast
-- A new broadcast, with its frozen message. The audience follows in the same transaction.
INSERT INTO broadcast
    (id, action, target, text, format, content, once_key, created_at, total, end_position, selection)
VALUES
    (:id, :action, :target, :text, :format, :content, :once_key, :created_at, :total, :end_position,
     :selection);

-- name: insert_recipient
INSERT INTO recipient (key, peer, contact, part) VALUES (?, ?, ?, ?);

-- name: count_recipients
-- Some are added: all of them, or those that are new since.
UPDATE broadcast SET total = total + :count, end_position = end_position + :count,
    later_parts = later_parts + :later_parts
WHERE number = :number;

-- name: peers
SELECT peer FROM recipient WHERE key BETWEEN :low AND :high;

-- name: peers_reached
SELECT r.peer FROM outcome o JOIN recipient r ON r.key = o.key
WHERE o.key BETWEEN :low AND :high AND o.sent = 1;

-- name: set_schedule
UPDATE broadcast SET due_first = :first, due_last = :last, at_telegram = :at_telegram
WHERE number = :number;

-- name: hand_out_from_waiting
-- Where each recipient has a time of their own, all of them stand in `waiting`: no slice is claimed.
UPDATE broadcast SET next_position = end_position WHERE number = :number;

-- name: broadcast_by_prefix
-- Two rows are enough to see that an abbreviation is ambiguous.
SELECT * FROM known_broadcast WHERE id >= :prefix AND id < :prefix || '{' ORDER BY id DESC LIMIT 2;

-- name: broadcast_by_once
SELECT * FROM known_broadcast WHERE once_key = :once_key;

-- name: broadcast_by_number
SELECT * FROM known_broadcast WHERE number = :number;

-- name: newest_broadcasts
SELECT * FROM known_broadcast ORDER BY number DESC LIMIT :limit;

-- name: unfinished_broadcasts
SELECT * FROM known_broadcast
WHERE state IN ('open', 'paused') AND wanted IS NOT 'cancelled' ORDER BY number DESC;

-- name: busy_with
-- What else somebody sends with this account, if they are still alive.
SELECT * FROM known_broadcast WHERE number IN (
    SELECT number FROM broadcast INDEXED BY broadcast_owned
    WHERE owner IS NOT NULL AND number <> :number
      AND account = :account AND coalesce(server, '') = :server)
ORDER BY number;

-- name: take_over
-- A new epoch: whatever the former owner still tries to write is refused from here on.
UPDATE broadcast
SET epoch = epoch + 1, owner = :owner, alive_until = :alive_until, lease_until = :lease_until,
    state = 'open', wanted = NULL, note = NULL, halted = NULL, ends_by_itself = 0,
    server = :server, account = :account
WHERE number = :number;

-- name: requeue_in_doubt
-- What was claimed by a process that died: perhaps sent, so to be asked for again. `shift` turns
-- the key of an edit or a recall into the key of the message that it changes (0 for a send). A slice
-- hands out the first parts of a message only; the others come from `waiting`.
INSERT OR IGNORE INTO waiting (key, due, attempts, error, doubt)
SELECT r.key - :shift, 0, 1, 'IN_DOUBT', 1
FROM slice s
JOIN recipient r ON r.key BETWEEN s.first + :shift AND s.last + :shift
LEFT JOIN outcome m ON m.key = r.key
WHERE s.first BETWEEN :low AND :high
  AND CASE WHEN :shift = 0 THEN r.part IS NULL ELSE m.sent = 1 END
  AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.key = r.key - :shift);

-- name: drop_slices
DELETE FROM slice WHERE first BETWEEN :low AND :high;

-- name: unclaim_waiting
-- The same for those that were claimed from `waiting`.
UPDATE waiting INDEXED BY waiting_in_doubt
SET claimed = 0, due = 0, attempts = attempts + 1, error = 'IN_DOUBT', doubt = 1
WHERE key BETWEEN :low AND :high AND (claimed = 1 OR doubt = 1) AND claimed = 1;

-- name: in_doubt
-- How many are perhaps sent, of a broadcast that no process runs.
SELECT (SELECT count(*) FROM waiting INDEXED BY waiting_in_doubt
        WHERE key BETWEEN :low AND :high AND (claimed = 1 OR doubt = 1))
     + (SELECT count(*)
        FROM slice s
        JOIN recipient r ON r.key BETWEEN s.first + :shift AND s.last + :shift
        LEFT JOIN outcome m ON m.key = r.key
        WHERE s.first BETWEEN :low AND :high
          AND CASE WHEN :shift = 0 THEN r.part IS NULL ELSE m.sent = 1 END
          AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.key = r.key - :shift)
          AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.key = r.key - :shift));

-- name: failed_in_doubt
-- How many were refused after a try that was perhaps sent.
SELECT count(*) FROM doubtful WHERE key BETWEEN :low AND :high;

-- name: span_in_doubt
-- The first and the last of both, and of those that a living process sends just now.
SELECT min(first) AS low, max(last) AS high FROM (
    SELECT first, last FROM slice WHERE first BETWEEN :low AND :high
    UNION ALL
    SELECT key, key FROM waiting INDEXED BY waiting_in_doubt
    WHERE key BETWEEN :low AND :high AND (claimed = 1 OR doubt = 1)
    UNION ALL
    SELECT key, key FROM doubtful WHERE key BETWEEN :low AND :high
);

-- name: due
-- Deferred or scheduled ones whose time has come, the longest overdue first.
SELECT key, attempts, doubt FROM waiting
WHERE due > 0 AND due <= :now AND key BETWEEN :low AND :high AND claimed = 0
ORDER BY due, key LIMIT :limit;

-- name: given_back
-- Those that need not wait: released, in doubt, to be retried, or the next part of a message.
SELECT key, attempts, doubt FROM waiting INDEXED BY waiting_ready
WHERE key BETWEEN :low AND :high AND claimed = 0 AND due = 0 ORDER BY key LIMIT :limit;

-- name: claim_waiting
UPDATE waiting SET claimed = 1 WHERE key = ?;

-- name: advance
UPDATE broadcast SET next_position = :position WHERE number = :number;

-- name: insert_slice
INSERT INTO slice (first, last) VALUES (:first, :last);

-- name: delete_slice
DELETE FROM slice WHERE first = :first;

-- name: recipient
SELECT key, peer, contact, part, NULL AS message_id, NULL AS others FROM recipient WHERE key = :key;

-- name: first_parts
-- What may be claimed without anything having been sent before: at most `limit`.
SELECT key, peer, contact, part, NULL AS message_id, NULL AS others FROM recipient
WHERE key BETWEEN :low AND :high AND part IS NULL ORDER BY key LIMIT :limit;

-- name: key_of_recipient
-- The key of the recipient number `count`, from 0, of those whose first part has no outcome.
SELECT key FROM recipient r
WHERE key BETWEEN :low AND :high AND part IS NULL
  AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.key = r.key)
ORDER BY key LIMIT 1 OFFSET :count;

-- name: key_of_change
-- The same for an edit or a recall, by the key of the message that it changes.
SELECT key FROM outcome m
WHERE key BETWEEN :low AND :high AND sent = 1
  AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.key = m.key - :shift)
ORDER BY key LIMIT 1 OFFSET :count;

-- name: later_parts
-- What follows a part of a message, to the same recipient.
SELECT key, peer, contact, part, NULL AS message_id, NULL AS others FROM recipient
WHERE key > :key AND key <= :high
  AND key < coalesce((SELECT n.key FROM recipient n
                      WHERE n.key > :key AND n.part IS NULL ORDER BY n.key LIMIT 1), :high + 1)
ORDER BY key;

-- name: release_next_part
-- A part has arrived, so the one after it may go. Only this puts a later part into `waiting` first.
INSERT OR IGNORE INTO waiting (key, due, attempts)
SELECT key, 0, 0 FROM recipient r WHERE key = ? + 1 AND part IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.key = r.key);

-- name: messages
-- The sent messages of a broadcast, for an edit or a recall: at most `limit` of them.
-- What waits in Telegram's schedule has an id of the schedule, which is no message's.
SELECT r.key, r.peer, r.contact, r.part, o.message_id, o.others,
       EXISTS (SELECT 1 FROM scheduled s WHERE s.key = o.key) AS is_scheduled
FROM outcome o JOIN recipient r ON r.key = o.key
WHERE o.key BETWEEN :low AND :high AND o.sent = 1 ORDER BY o.key LIMIT :limit;

-- name: insert_outcome
INSERT INTO outcome (key, sent, message_id, at, error, others, note) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_doubtful
INSERT INTO doubtful (key) VALUES (?);

-- name: delete_doubtful
DELETE FROM doubtful WHERE key = ?;

-- name: insert_scheduled
INSERT INTO scheduled (key, until) VALUES (?, ?);

-- name: count_and_renew
-- Also the check that nobody has taken over: no row changes when somebody has.
UPDATE broadcast SET sent = sent + :sent, failed = failed + :failed, paid = paid + :paid,
    alive_until = :alive_until, lease_until = :lease_until
WHERE number = :number AND epoch = :epoch;

-- name: fence
-- Whatever a process that was frozen, and not dead, still tries to write is refused from here on.
UPDATE broadcast SET epoch = epoch + 1, owner = NULL, alive_until = NULL, lease_until = NULL
WHERE number = :number;

-- name: put_waiting
-- Whether it was perhaps sent is never forgotten, whatever the next try says.
INSERT INTO waiting (key, due, attempts, error, doubt) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET due = excluded.due, attempts = excluded.attempts, claimed = 0,
    error = coalesce(excluded.error, error), doubt = max(doubt, excluded.doubt);

-- name: delete_waiting
DELETE FROM waiting WHERE key = ?;

-- name: changes_of
-- The edits and recalls of a broadcast, newest first.
SELECT * FROM known_broadcast WHERE target = :target ORDER BY number DESC;

-- name: overtake
-- An edit that a newer one makes pointless: what is left of it is not done any more.
UPDATE broadcast SET state = 'cancelled', wanted = NULL
WHERE target = :target AND state IN ('open', 'paused');

-- name: next_due
-- Of the deferred: what is only scheduled has no error, and keeps no run waiting.
SELECT due FROM waiting INDEXED BY waiting_deferred
WHERE due > 0 AND error IS NOT NULL AND key BETWEEN :low AND :high AND claimed = 0
ORDER BY due LIMIT 1;

-- name: unfinished_schedules
-- What the ledger keeps until its time, the earliest first.
SELECT * FROM known_broadcast
WHERE due_first IS NOT NULL AND at_telegram = 0 AND state = 'open' AND wanted IS NULL
ORDER BY due_first, number;

-- name: schedules
-- The same, also when it is paused, and what Telegram keeps until its time.
SELECT * FROM known_broadcast
WHERE due_first IS NOT NULL AND action = 'send' AND state <> 'cancelled'
  AND wanted IS NOT 'cancelled'
  AND CASE WHEN at_telegram THEN due_last > :now ELSE state <> 'done' END
  AND recall IS NULL
ORDER BY due_first, number;

-- name: has_due
-- Whether something of `waiting` may go now, or is in doubt since a process died.
SELECT EXISTS (SELECT 1 FROM waiting INDEXED BY waiting_ready
               WHERE key BETWEEN :low AND :high AND due = 0)
    OR EXISTS (SELECT 1 FROM waiting WHERE due > 0 AND due <= :now AND key BETWEEN :low AND :high)
    OR EXISTS (SELECT 1 FROM slice WHERE first BETWEEN :low AND :high);

-- name: next_in_waiting
SELECT due FROM waiting INDEXED BY waiting_due
WHERE due > 0 AND due > :now AND key BETWEEN :low AND :high ORDER BY due LIMIT 1;

-- name: count_scheduled
-- With their later parts: a first part stands `part` keys before them.
SELECT count(*) FROM recipient r JOIN waiting w ON w.key = r.key - coalesce(r.part, 0)
WHERE r.key BETWEEN :low AND :high AND w.due > :now AND w.error IS NULL AND w.claimed = 0;

-- name: count_at_telegram
-- Those that are in Telegram's schedule, and were not deleted there.
SELECT count(*) FROM scheduled s
WHERE s.key BETWEEN :low AND :high AND s.until > :now
  AND NOT EXISTS (SELECT 1 FROM outcome d WHERE d.key = s.key + :recall AND d.sent = 1);

-- name: bring_forward
UPDATE broadcast SET due_first = min(due_first, :now), due_last = min(due_last, :now)
WHERE number = :number;

-- name: bring_forward_waiting
UPDATE waiting SET due = :now
WHERE key BETWEEN :low AND :high AND due > :now AND error IS NULL AND claimed = 0;

-- name: finish
UPDATE broadcast
SET owner = NULL, alive_until = NULL, lease_until = NULL, wanted = NULL,
    note = :note, halted = :halted, ends_by_itself = :ends_by_itself,
    state = CASE WHEN sent + failed >= total THEN 'done'
                 ELSE coalesce(wanted, 'open') END
WHERE number = :number AND epoch = :epoch;

-- name: ask
-- Ask the process that runs it; it looks every half second. A cancel is not taken back.
UPDATE broadcast SET wanted = CASE WHEN wanted = 'cancelled' THEN wanted ELSE :wanted END
WHERE number = :number;

-- name: asked
SELECT wanted, epoch FROM broadcast WHERE number = :number;

-- name: set_state
UPDATE broadcast SET state = :state, wanted = NULL WHERE number = :number;

-- name: failed
SELECT key, error, EXISTS (SELECT 1 FROM doubtful d WHERE d.key = o.key) AS doubt
FROM outcome o WHERE key BETWEEN :low AND :high AND sent = 0 ORDER BY key;

-- name: failures
SELECT error, note, EXISTS (SELECT 1 FROM doubtful d WHERE d.key = o.key) AS perhaps_sent, count(*)
FROM outcome o WHERE key BETWEEN :low AND :high AND sent = 0
GROUP BY error, note, perhaps_sent ORDER BY count(*) DESC, min(key);

-- name: delete_outcome
DELETE FROM outcome WHERE key = ?;

-- name: reopen
UPDATE broadcast SET failed = failed - :count, state = 'open' WHERE number = :number;

-- name: keep_update_state
-- That of the first start: from there on Telegram can tell what was sent.
UPDATE broadcast SET update_state = :update_state WHERE number = :number AND update_state IS NULL;

-- name: without_id
-- Accepted messages whose id was not told.
SELECT r.key, r.peer, r.contact, r.part, NULL AS message_id, NULL AS others FROM outcome o JOIN recipient r ON r.key = o.key
WHERE o.key BETWEEN :low AND :high AND o.sent = 1 AND o.message_id IS NULL;

-- name: count_found
-- Some of those in doubt were sent after all.
UPDATE broadcast
SET sent = sent + :sent, failed = failed - :refused,
    state = CASE WHEN sent + :sent + failed - :refused >= total THEN 'done' ELSE state END
WHERE number = :number;

-- name: set_message_id
UPDATE outcome SET message_id = ?, others = ? WHERE key = ? AND sent = 1 AND message_id IS NULL;

-- name: records
-- `ended` leaves out all but the sent, the failed, or those that are neither. `recall` leads to the
-- deliveries of what has recalled it, if anything has.
SELECT r.key, r.peer, r.contact, r.part, o.sent, o.message_id, o.others, o.note, o.at, o.error, t.until,
       d.at AS deleted,
       w.attempts, w.error AS trouble, w.doubt, w.claimed,
       EXISTS (SELECT 1 FROM doubtful d WHERE d.key = o.key) AS perhaps_sent,
       r.part IS NULL
       AND EXISTS (SELECT 1 FROM slice s WHERE s.first <= r.key AND s.last >= r.key) AS sliced
FROM recipient r LEFT JOIN outcome o ON o.key = r.key LEFT JOIN waiting w ON w.key = r.key
LEFT JOIN scheduled t ON t.key = r.key
LEFT JOIN outcome d ON d.key = r.key + :recall AND d.sent = 1
WHERE r.key BETWEEN :low AND :high
  AND (:ended IS NULL
       OR :ended = CASE o.sent WHEN 1 THEN 'sent' WHEN 0 THEN 'failed' ELSE 'not yet' END)
ORDER BY r.key;

-- name: changes
-- The same for an edit or a recall, whose recipients are those of its target.
SELECT r.key - :shift AS key, r.peer, r.contact, r.part, o.sent, m.message_id, m.others, o.note,
       o.at, o.error, NULL AS until, NULL AS deleted, w.attempts, w.error AS trouble, w.doubt, w.claimed,
       EXISTS (SELECT 1 FROM doubtful d WHERE d.key = o.key) AS perhaps_sent,
       EXISTS (SELECT 1 FROM slice s
               WHERE s.first <= r.key - :shift AND s.last >= r.key - :shift) AS sliced
FROM outcome m JOIN recipient r ON r.key = m.key
LEFT JOIN outcome o ON o.key = r.key - :shift LEFT JOIN waiting w ON w.key = r.key - :shift
WHERE m.key BETWEEN :low + :shift AND :high + :shift AND m.sent = 1
  AND (:ended IS NULL
       OR :ended = CASE o.sent WHEN 1 THEN 'sent' WHEN 0 THEN 'failed' ELSE 'not yet' END)
ORDER BY r.key;

-- name: last_account
-- Who started the last broadcast there. A person's account is known once somebody has signed in.
SELECT account FROM broadcast WHERE coalesce(server, '') = :server AND account IS NOT NULL
ORDER BY number DESC LIMIT 1;

-- name: account
SELECT * FROM account WHERE id = :id AND server = :server;

-- name: keep_learned
INSERT INTO account (id, server, rate, burst, learned_at)
VALUES (:id, :server, :rate, :burst, :learned_at)
ON CONFLICT (id, server) DO UPDATE
SET rate = excluded.rate, burst = excluded.burst, learned_at = excluded.learned_at;

-- name: keep_hold
INSERT INTO account (id, server, held_until) VALUES (:id, :server, :held_until)
ON CONFLICT (id, server) DO UPDATE SET held_until = max(coalesce(held_until, 0), excluded.held_until);
