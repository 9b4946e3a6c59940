-- end_moving.sql: writes into gpexpand's list how moving tables has ended, unless somebody else has begun meanwhile
-- Run in:   database postgres. Parameters: began (text, as begin_moving.sql told)
-- Returns:  status text, what was written; no row if the newest one is not ours
-- Note:     gpexpand, too, calls an expansion complete when nothing is left, and else stopped
INSERT INTO gpexpand.status (status, updated)
SELECT CASE
           WHEN EXISTS (SELECT 1 FROM gpexpand.status_detail WHERE status NOT IN ('COMPLETED', 'NO LONGER EXISTS'))
               THEN 'EXPANSION STOPPED'
           ELSE 'EXPANSION COMPLETE'
       END,
       greatest(localtimestamp, newest.updated + interval '1 microsecond')
FROM (SELECT max(updated) AS updated FROM gpexpand.status) newest
WHERE newest.updated = %(began)s::timestamp
RETURNING status
