-- read_control.sql: what has been set by a person while tables of an expansion move?
-- Run in:   database postgres, only if control_exists says so. Parameters: expansion_id (text)
-- Returns:  paused boolean, sessions int (null: as asked), changed_by text, changed_at text (UTC); none if nobody has
-- Why:      every change is a row of its own, which says who has made it; the newest one holds
SELECT paused, sessions, changed_by,
    to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS changed_at
FROM expansion_history.expand_control
WHERE expansion_id = %(expansion_id)s
ORDER BY expand_control.changed_at DESC
LIMIT 1
