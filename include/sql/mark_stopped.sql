-- mark_stopped.sql: takes back gpexpand's word that the expansion is complete
-- Run in:   database postgres. Parameters: none
-- Why:      it says so when its queue is empty; a table that was to move with a parent may not have moved
INSERT INTO gpexpand.status (status, updated) VALUES ('EXPANSION STOPPED', localtimestamp)
