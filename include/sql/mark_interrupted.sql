-- mark_interrupted.sql: what was under way when a mover was killed has still to be moved
-- Run in:   database postgres, when nothing moves and what has moved was recorded. Parameters: none
-- Source:   gpexpand 6.24.3 does the same at its start
UPDATE gpexpand.status_detail
SET status = 'NOT STARTED', expansion_started = NULL, expansion_finished = NULL
WHERE status = 'IN PROGRESS'
