-- update_books.sql: writes what became of many tables into gpexpand's list, in one statement
-- Run in:   database postgres. Parameters: five arrays of equal length:
--           dbnames (text), oids (bigint), statuses (text), began and ended
--           (double precision, seconds since 1970, null if not)
-- Note:     gpexpand keeps the coordinator's local time, without a zone; so does this
UPDATE gpexpand.status_detail d
SET status = new.status,
    expansion_started = to_timestamp(new.began)::timestamp,
    expansion_finished = to_timestamp(new.ended)::timestamp
FROM (SELECT unnest(%(dbnames)s::text[]) AS dbname,
             unnest(%(oids)s::bigint[]) AS table_oid,
             unnest(%(statuses)s::text[]) AS status,
             unnest(%(began)s::double precision[]) AS began,
             unnest(%(ended)s::double precision[]) AS ended) new
WHERE d.dbname = new.dbname
  AND d.table_oid = new.table_oid::oid
