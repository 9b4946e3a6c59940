-- redistribution_progress.sql: how far is the redistribution?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  status text, tables int, bytes bigint (main forks, as measured in preparation or at the move's start);
--           one row a status that occurs
-- Blind to: indexes and TOAST; sizes are 0 if preparation ran with --simple-progress
SELECT status, count(*)::int AS tables, coalesce(sum(source_bytes), 0)::bigint AS bytes
FROM gpexpand.status_detail
GROUP BY status
