-- moves_finished_since.sql: which moves have ended lately, and how long did they take?
-- Run in:   database postgres, only if expansion_schema_exists and history_exists say so. Parameters: expansion_id (text),
--           since (text, a moment this statement has returned before, or -infinity), most (int, rows told, the latest)
-- Returns:  storage text, bytes bigint, index_bytes bigint, seconds float, finished text (coordinator's local time); in the
--           order in which they ended
SELECT storage, bytes, index_bytes, seconds, finished::text AS finished
FROM (SELECT h.storage,
             coalesce(nullif(d.source_bytes, 0), h.source_bytes, 0)::bigint AS bytes,
             coalesce(h.index_bytes, 0)::bigint AS index_bytes,
             extract(epoch FROM d.expansion_finished - d.expansion_started)::float AS seconds,
             d.expansion_finished AS finished
      FROM gpexpand.status_detail d
      JOIN expansion_history.expand_status_detail h
          ON h.expansion_id = %(expansion_id)s AND h.table_oid = d.table_oid AND h.dbname = d.dbname
      WHERE d.status = 'COMPLETED'
        AND h.storage IS NOT NULL
        AND d.expansion_finished >= d.expansion_started
        AND d.expansion_finished > %(since)s::timestamp
      ORDER BY d.expansion_finished DESC
      LIMIT %(most)s) latest
ORDER BY latest.finished
