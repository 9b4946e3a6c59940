-- 99_triggers_on.sql: last, so that what comes before is created in PostgreSQL's own way

create event trigger pg_sandbox_before on ddl_command_start execute function pg_sandbox.before_ddl();
create event trigger pg_sandbox_after on ddl_command_end execute function pg_sandbox.after_ddl();
create event trigger pg_sandbox_dropped on sql_drop execute function pg_sandbox.dropped();
