-- tables_not_described.sql: of which tables does the history not know how they are stored?
-- Run in:   database postgres, after fill_history.sql. Parameters: expansion_id (text)
-- Returns:  dbname text, table_oid bigint, root_oid bigint (0: no leaf partition)
SELECT d.dbname, d.table_oid::bigint AS table_oid, coalesce(d.root_partition_oid, 0)::bigint AS root_oid
FROM gpexpand.status_detail d
JOIN expansion_history.expand_status_detail h
    ON h.expansion_id = %(expansion_id)s AND h.table_oid = d.table_oid AND h.dbname = d.dbname
WHERE h.storage IS NULL
