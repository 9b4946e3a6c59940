-- schedule_in_history.sql: notes in the history when the next window begins
-- Run in:   database postgres. Parameters: expansion_id (text), begins (double precision, seconds since 1970)
DELETE FROM expansion_history.expand_status_summary
WHERE expansion_id = %(expansion_id)s AND status = 'SCHEDULED START';

INSERT INTO expansion_history.expand_status_summary (expansion_id, status, updated_at)
VALUES (%(expansion_id)s, 'SCHEDULED START', to_timestamp(%(begins)s))
