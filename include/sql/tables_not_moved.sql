-- tables_not_moved.sql: which tables has gpexpand left?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  dbname text, fq_name text, table_oid bigint, status text, source_bytes bigint,
--           rank int, root_oid bigint (0: no leaf partition)
SELECT dbname, fq_name, table_oid::bigint AS table_oid, status, coalesce(source_bytes, 0)::bigint AS source_bytes, rank,
       coalesce(root_partition_oid, 0)::bigint AS root_oid
FROM gpexpand.status_detail
WHERE status NOT IN ('COMPLETED', 'NO LONGER EXISTS')
ORDER BY dbname, fq_name
