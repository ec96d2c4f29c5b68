-- A broadcast with what else there is to say of it: which one it changes, and what has recalled it.
-- Of several recalls the last one tells: each reaches all that are known to have it by then.
CREATE INDEX broadcast_changes ON broadcast (target) WHERE target IS NOT NULL;
CREATE VIEW known_broadcast AS
SELECT b.*, t.id AS target_id, r.number AS recall, r.id AS recalled_by, r.created_at AS recalled_at,
       r.state AS recall_state, r.sent AS deleted
FROM broadcast b
LEFT JOIN broadcast t ON t.number = b.target
LEFT JOIN broadcast r ON r.number = (
    SELECT max(c.number) FROM broadcast c WHERE c.target = b.number AND c.action = 'recall');
