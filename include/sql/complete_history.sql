-- complete_history.sql: notes in the history that all tables have moved
-- Run in:   database postgres. Parameters: expansion_id (text). Repeating it changes nothing
UPDATE expansion_history.expand_status_summary
SET status = 'LAST SCHEDULED START'
WHERE expansion_id = %(expansion_id)s AND status = 'SCHEDULED START';

INSERT INTO expansion_history.expand_status_summary (expansion_id, status)
SELECT %(expansion_id)s, 'COMPLETED'
WHERE NOT EXISTS (SELECT 1 FROM expansion_history.expand_status_summary
                  WHERE expansion_id = %(expansion_id)s AND status = 'COMPLETED')
