-- status_detail.sql: gpexpand's list of tables, as it is kept in the report's directory before gpexpand -c drops it
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  one row a table
SELECT dbname, fq_name, table_oid::bigint AS table_oid, root_partition_oid::bigint AS root_partition_oid, rank,
       external_writable, status, expansion_started::text, expansion_finished::text, source_bytes::bigint AS source_bytes
FROM gpexpand.status_detail
ORDER BY rank, dbname, fq_name
