-- moves_to_do.sql: what has still to be moved, in the order of its rank?
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  dbname text, table_oid bigint, fq_name text, root_oid bigint (0: no leaf partition), is_external boolean,
--           source_bytes bigint
SELECT dbname,
       table_oid::bigint AS table_oid,
       fq_name,
       coalesce(root_partition_oid, 0)::bigint AS root_oid,
       coalesce(external_writable, false) AS is_external,
       coalesce(source_bytes, 0)::bigint AS source_bytes
FROM gpexpand.status_detail
WHERE status NOT IN ('COMPLETED', 'NO LONGER EXISTS')
ORDER BY rank, dbname, fq_name
