-- fill_history.sql: enters all tables of gpexpand's list into the history, and when it was set up
-- Run in:   database postgres, after create_history.sql. Parameters: expansion_id (text). Repeating it adds what is new
INSERT INTO expansion_history.expand_status_detail
    (expansion_id, dbname, db_oid, fq_name, table_oid, rank, external_writable, status, source_bytes)
SELECT %(expansion_id)s, d.dbname, b.oid, d.fq_name, d.table_oid, d.rank, d.external_writable, 'NOT STARTED', d.source_bytes
FROM gpexpand.status_detail d
LEFT JOIN pg_catalog.pg_database b ON b.datname = d.dbname
LEFT JOIN expansion_history.expand_status_detail h
    ON h.expansion_id = %(expansion_id)s AND h.table_oid = d.table_oid AND h.dbname = d.dbname
WHERE h.expansion_id IS NULL;

INSERT INTO expansion_history.expand_status_summary (expansion_id, status, updated_at)
SELECT %(expansion_id)s, s.status, s.updated
FROM gpexpand.status s
WHERE s.status IN ('SETUP', 'SETUP DONE')
  AND NOT EXISTS (SELECT 1 FROM expansion_history.expand_status_summary h
                  WHERE h.expansion_id = %(expansion_id)s AND h.status = s.status)
