-- tables_to_record.sql: what has become of the tables of an expansion, all of them or those that have changed lately?
-- Run in:   database postgres, only if expansion_schema_exists and the history exist. Parameters: expansion_id (text),
--           since (text, a moment this statement has returned before as `seen`, or -infinity for all)
-- Returns:  dbname text, oid bigint, fq_name text, size_bytes bigint, status text (FAILED and RETRYING only the history
--           knows), seconds float (null while it has not ended), ended float (seconds since 1970, likewise), failures int,
--           error text (null if none), root text (the partitioned table of a leaf; null of others, and of all before
--           the first window), seen text (the coordinator's local time, of the whole answer); in the order of the moves
-- Cost:     one pass over gpexpand.status_detail; with `since` few rows come back
SELECT d.dbname,
       d.table_oid::bigint AS oid,
       d.fq_name,
       coalesce(d.source_bytes, 0)::bigint AS size_bytes,
       CASE WHEN d.status = 'NOT STARTED' AND h.status IN ('FAILED', 'RETRYING') THEN h.status ELSE d.status END AS status,
       CASE WHEN d.expansion_finished >= d.expansion_started
            THEN extract(epoch FROM d.expansion_finished - d.expansion_started)::float END AS seconds,
       -- gpexpand's times are local ones without a zone: told as how long ago it was, they hang on none.
       CASE WHEN d.expansion_finished >= d.expansion_started
            THEN extract(epoch FROM now())::float
                 - extract(epoch FROM localtimestamp - d.expansion_finished)::float END AS ended,
       coalesce(h.failed_times, 0) AS failures,
       h.last_error AS error,
       h.root_partition_name AS root,
       localtimestamp::text AS seen
FROM gpexpand.status_detail d
LEFT JOIN expansion_history.expand_status_detail h
    ON h.expansion_id = %(expansion_id)s AND h.dbname = d.dbname AND h.table_oid = d.table_oid
WHERE %(since)s = '-infinity'
   OR d.status = 'IN PROGRESS'
   -- Books are kept in batches, some seconds behind the moves.
   OR d.expansion_started >= %(since)s::timestamp - interval '1 minute'
   OR d.expansion_finished >= %(since)s::timestamp - interval '1 minute'
   OR h.failed_times > 0
ORDER BY d.rank, d.dbname, d.fq_name
