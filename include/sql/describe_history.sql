-- describe_history.sql: adds to the history how tables of one database are stored
-- Run in:   database postgres. Parameters: expansion_id, dbname (text), and arrays of equal length: oids (bigint),
--           storages (text), bytes, index_bytes (bigint), roots (text, null if no leaf partition)
-- Note:     gpexpand lists no sizes if preparation ran with --simple-progress; then these are taken
UPDATE expansion_history.expand_status_detail h
SET storage = new.storage,
    source_bytes = coalesce(nullif(h.source_bytes, 0), new.bytes),
    index_bytes = new.index_bytes,
    root_partition_name = new.root
FROM (SELECT unnest(%(oids)s::bigint[]) AS table_oid,
             unnest(%(storages)s::text[]) AS storage,
             unnest(%(bytes)s::bigint[]) AS bytes,
             unnest(%(index_bytes)s::bigint[]) AS index_bytes,
             unnest(%(roots)s::text[]) AS root) new
WHERE h.expansion_id = %(expansion_id)s
  AND h.dbname = %(dbname)s
  AND h.table_oid = new.table_oid::oid
  AND h.storage IS NULL
