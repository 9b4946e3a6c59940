-- history_totals.sql: what came of the tables of one expansion, by storage class?
-- Run in:   database postgres, only if history_exists says so. Parameters: expansion_id (text)
-- Returns:  status text, storage text ('' if nobody has looked), tables int, bytes bigint, index_bytes bigint, seconds float
--           (all moves together), began, ended float (of the first and of the last, seconds since 1970; null if none)
SELECT status,
       coalesce(storage, '') AS storage,
       count(*)::int AS tables,
       coalesce(sum(source_bytes), 0)::bigint AS bytes,
       coalesce(sum(index_bytes), 0)::bigint AS index_bytes,
       coalesce(sum(extract(epoch FROM expansion_finished_at - expansion_started_at)), 0)::float AS seconds,
       extract(epoch FROM min(expansion_started_at))::float AS began,
       extract(epoch FROM max(CASE WHEN expansion_started_at IS NOT NULL THEN expansion_finished_at END))::float AS ended
FROM expansion_history.expand_status_detail
WHERE expansion_id = %(expansion_id)s
GROUP BY status, coalesce(storage, '')
ORDER BY 2, 1
