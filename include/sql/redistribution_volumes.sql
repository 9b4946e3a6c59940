-- redistribution_volumes.sql: how far is the redistribution, by storage class?
-- Run in:   database postgres, only if expansion_schema_exists and history_exists say so. Parameters: expansion_id (text)
-- Returns:  status text (gpexpand's, or FAILED), storage 'heap', 'append-optimized' or 'compressed', tables int, bytes bigint
--           (main forks), index_bytes bigint; one row for each pair that occurs
-- Note:     a table of which the history does not know yet how it is stored counts as heap
SELECT CASE WHEN h.status = 'FAILED' AND d.status = 'NOT STARTED' THEN 'FAILED' ELSE d.status END AS status,
       coalesce(h.storage, 'heap') AS storage,
       count(*)::int AS tables,
       coalesce(sum(coalesce(nullif(d.source_bytes, 0), h.source_bytes)), 0)::bigint AS bytes,
       coalesce(sum(h.index_bytes), 0)::bigint AS index_bytes
FROM gpexpand.status_detail d
LEFT JOIN expansion_history.expand_status_detail h
    ON h.expansion_id = %(expansion_id)s AND h.table_oid = d.table_oid AND h.dbname = d.dbname
GROUP BY 1, 2
