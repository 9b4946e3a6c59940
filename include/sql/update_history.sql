-- update_history.sql: writes what became of many tables into the history, in one statement
-- Run in:   database postgres. Parameters: expansion_id (text), and arrays of equal length: dbnames (text), oids (bigint),
--           statuses (text), began and ended (double precision, seconds since 1970, null if not), failures (int, since
--           the last time), errors (text, null if none)
UPDATE expansion_history.expand_status_detail d
SET status = new.status,
    expansion_started_at = to_timestamp(new.began),
    expansion_finished_at = to_timestamp(new.ended),
    failed_times = d.failed_times + new.failures,
    last_error = coalesce(new.error, d.last_error)
FROM (SELECT unnest(%(dbnames)s::text[]) AS dbname,
             unnest(%(oids)s::bigint[]) AS table_oid,
             unnest(%(statuses)s::text[]) AS status,
             unnest(%(began)s::double precision[]) AS began,
             unnest(%(ended)s::double precision[]) AS ended,
             unnest(%(failures)s::int[]) AS failures,
             unnest(%(errors)s::text[]) AS error) new
WHERE d.expansion_id = %(expansion_id)s
  AND d.dbname = new.dbname
  AND d.table_oid = new.table_oid::oid
