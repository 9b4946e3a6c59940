-- fail_in_history.sql: notes tables that gpexpand could not move, with what it said
-- Run in:   database postgres. Parameters: expansion_id (text), and arrays of equal length: names (text, database.schema.table
--           as gpexpand's log has it), errors (text)
UPDATE expansion_history.expand_status_detail h
SET status = 'FAILED', failed_times = h.failed_times + 1, last_error = new.error
FROM (SELECT unnest(%(names)s::text[]) AS name, unnest(%(errors)s::text[]) AS error) new
WHERE h.expansion_id = %(expansion_id)s
  AND h.dbname || '.' || h.fq_name = new.name
