-- segment.sql: what the coordinator relies on in every database of a segment
-- Run in:   template1 and postgres of a new primary, in single-user mode (so: no psql commands, one blank line after a
-- statement)
-- Leaves:   schema pg_sandbox with run (statements to execute), sizes, replication

set allow_system_table_mods = on;

create schema pg_sandbox;

create table pg_sandbox.run (statement text);

create function pg_sandbox.run() returns trigger language plpgsql as $body$
begin  -- a row written by the coordinator is executed within the coordinator's own remote transaction
    execute new.statement;
    return null;
end $body$;

create trigger run before insert on pg_sandbox.run for each row execute function pg_sandbox.run();

create function pg_sandbox.refuse_key_update() returns trigger language plpgsql as $body$
begin  -- the row would stay on its old segment, where a search by key does not look
    raise exception 'cannot update a column of the distribution key' using
        detail = 'Moving a row to another segment by UPDATE is not part of the sandbox.',
        hint = 'DELETE the row and INSERT it again.', errcode = 'feature_not_supported';
end $body$;

create view pg_sandbox.sizes as
    select relname, pg_relation_size(oid) as main, pg_table_size(oid) as with_toast, pg_indexes_size(oid) as indexes,
           pg_stat_get_live_tuples(oid) as live, pg_stat_get_dead_tuples(oid) as dead, relfilenode
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r';

create view pg_sandbox.databases as
    select datname, pg_database_size(oid) as size from pg_database where datname = current_database();

create view pg_sandbox.replication as select * from pg_stat_replication;
