-- begin_moving.sql: writes into gpexpand's list that tables are being moved from now on
-- Run in:   database postgres. Parameters: none
-- Returns:  updated text: the moment of the new row, which tells it from every other
-- Why:      gpstate -x and gpexpand's own view read it; and the newest row is a fence: who finds another than its own, has been
--           overtaken by somebody who moves tables, too
-- Note:     gpexpand writes the coordinator's local time; should the server's clock show less, the newest row is newest still
INSERT INTO gpexpand.status (status, updated)
SELECT 'EXPANSION STARTED', greatest(localtimestamp, max(updated) + interval '1 microsecond') FROM gpexpand.status
RETURNING updated::text AS updated
