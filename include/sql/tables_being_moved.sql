-- tables_being_moved.sql: which tables are moving at this moment?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  dbname text, fq_name text, expansion_started timestamp (coordinator's local time), source_bytes bigint
SELECT dbname, fq_name, expansion_started, source_bytes::bigint AS source_bytes
FROM gpexpand.status_detail
WHERE status = 'IN PROGRESS'
ORDER BY expansion_started
