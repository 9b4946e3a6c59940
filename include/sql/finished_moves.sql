-- finished_moves.sql: how long did moves take, in this expansion or in the earlier ones?
-- Run in:   database postgres, only if history_exists says so. Parameters: expansion_id (text), mine (boolean: moves of this
--           expansion, else of all others), large, small (int, tables told of each storage class: the largest tell how fast
--           bytes move, the smallest what a move costs whatever its size)
-- Returns:  storage text, bytes bigint, index_bytes bigint, seconds float; in the order in which they ended
SELECT storage, bytes, index_bytes, seconds
FROM (SELECT storage,
             coalesce(source_bytes, 0)::bigint AS bytes,
             coalesce(index_bytes, 0)::bigint AS index_bytes,
             extract(epoch FROM expansion_finished_at - expansion_started_at)::float AS seconds,
             expansion_finished_at,
             row_number() OVER (PARTITION BY storage ORDER BY source_bytes DESC, table_oid) AS from_largest,
             row_number() OVER (PARTITION BY storage ORDER BY source_bytes, table_oid) AS from_smallest
      FROM expansion_history.expand_status_detail
      WHERE (expansion_id = %(expansion_id)s) = %(mine)s
        AND status = 'COMPLETED'
        AND storage IS NOT NULL
        AND expansion_finished_at >= expansion_started_at) moves
WHERE from_largest <= %(large)s OR from_smallest <= %(small)s
ORDER BY expansion_finished_at
