-- write_control.sql: sets how the moves of an expansion go on, and keeps who has set it
-- Run in:   database postgres. Parameters: expansion_id (text), changed_by (text), action (text), paused (boolean),
--           sessions (int, null: as asked for)
INSERT INTO expansion_history.expand_control (expansion_id, changed_by, action, paused, sessions)
VALUES (%(expansion_id)s, %(changed_by)s, %(action)s, %(paused)s, %(sessions)s)
