-- status_detail.sql: gpexpand's list of tables, as it is kept in the report's directory before gpexpand -c drops it
-- Run in:   database postgres, only if expansion_schema_exists says so. Parameters: none
-- Returns:  one row a table; root_partition is the root's OID, in early releases of 6 its name, null if there is none
-- Flavors:  Greenplum 6 and 7, Cloudberry: the order of the columns differs, and early releases of 6 have
--           root_partition_name for root_partition_oid
SELECT dbname, fq_name, table_oid::bigint AS table_oid,
       coalesce(row_to_json(d) ->> 'root_partition_oid', row_to_json(d) ->> 'root_partition_name') AS root_partition,
       rank, external_writable, status, expansion_started::text, expansion_finished::text,
       source_bytes::bigint AS source_bytes
FROM gpexpand.status_detail d
ORDER BY rank, dbname, fq_name
