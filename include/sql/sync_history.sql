-- sync_history.sql: brings the history up to date with gpexpand's list
-- Run in:   database postgres. Parameters: expansion_id (text)
-- Why:      gpexpand writes into its own list only; and of moves that a kill has cut off nobody writes
-- Note:     gpexpand knows no failure: a table that failed, or is tried again, is NOT STARTED there and stays so here
UPDATE expansion_history.expand_status_detail h
SET status = d.status,
    fq_name = d.fq_name,
    rank = d.rank,
    expansion_started_at = d.began,
    expansion_finished_at = d.ended,
    source_bytes = coalesce(nullif(d.source_bytes, 0), h.source_bytes),
    last_error = coalesce(d.note, h.last_error)
FROM (SELECT dbname, table_oid, fq_name, rank, source_bytes,
             CASE status WHEN 'NO LONGER EXISTS' THEN 'COMPLETED' WHEN 'NOT STARTED' THEN 'PENDING'
                         WHEN 'WITH PARENT' THEN 'PENDING' ELSE status END AS status,
             CASE status WHEN 'NO LONGER EXISTS' THEN 'no longer exists' END AS note,
             expansion_started::timestamptz AS began,
             expansion_finished::timestamptz AS ended
      FROM gpexpand.status_detail) d
WHERE h.expansion_id = %(expansion_id)s
  AND h.dbname = d.dbname
  AND h.table_oid = d.table_oid
  AND (h.status <> d.status AND NOT (d.status = 'PENDING' AND h.status IN ('NOT STARTED', 'FAILED', 'RETRYING'))
       OR h.fq_name <> d.fq_name
       OR h.rank IS DISTINCT FROM d.rank AND d.status <> 'PENDING')
