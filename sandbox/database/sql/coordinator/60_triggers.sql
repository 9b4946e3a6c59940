-- 60_triggers.sql: where statements which PostgreSQL does not know come in
-- The proxy rewrites them to a statement that does nothing, has the same command tag and lock, and carries a mark
-- /*sandbox:<base64 of JSON>*/; the event trigger sees the mark in current_query() and does the work. JSON: {"do":
-- "expand" | "prepare" | "redistribute" | "create" | "refresh", "table": name as written, …}.

create function pg_sandbox.marks() returns setof json language sql stable as $$
    select convert_from(decode(m[1], 'base64'), 'UTF8')::json
    from regexp_matches(current_query(), '/\*sandbox:([A-Za-z0-9+/=]+)\*/', 'g') m
$$;

create function pg_sandbox.busy() returns bool language sql stable as $$
    select current_setting('pg_sandbox.busy', true) = 'on'
$$;

create function pg_sandbox.before_ddl() returns event_trigger language plpgsql as $$
declare
    mark json;
    kind "char";
begin
    if pg_sandbox.busy() then
        return;
    end if;
    perform pg_sandbox.enter_catalog();
    if tg_tag like 'ALTER%' then
        for mark in select m from pg_sandbox.marks() m where m ->> 'do' in ('expand', 'prepare', 'redistribute') loop
            select relkind into kind from pg_class where oid = to_regclass(mark ->> 'table');
            if kind not in ('r', 'm', 'f') then
                raise exception '"%" is not a table or materialized view',
                    (select relname from pg_class where oid = to_regclass(mark ->> 'table')) using
                        errcode = 'wrong_object_type';
            end if;
        end loop;
    end if;
end $$;

create function pg_sandbox.after_ddl() returns event_trigger language plpgsql as $$
declare
    command record;
    mark json;
begin
    if pg_sandbox.busy() then
        return;
    end if;
    perform set_config('pg_sandbox.busy', 'on', true);
    for command in select objid, command_tag, object_type from pg_event_trigger_ddl_commands() where classid = 1259 loop
        select m into mark from pg_sandbox.marks() m
        where coalesce(to_regclass(m ->> 'table') = command.objid, false) or (m ->> 'do' = 'refresh'
            and command.command_tag like 'REFRESH%') limit 1;
        if command.command_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE MATERIALIZED VIEW')
           and command.object_type in ('table', 'materialized view') then
            perform pg_sandbox.created(command.objid, mark);
        elsif mark ->> 'do' = 'expand' then
            perform pg_sandbox.expand(command.objid, mark ->> 'word');
        elsif mark ->> 'do' = 'prepare' then
            perform pg_sandbox.prepare(command.objid);
        elsif mark ->> 'do' = 'redistribute' then
            perform pg_sandbox.redistribute(command.objid, mark -> 'by');
        elsif mark ->> 'do' = 'refresh' then
            perform pg_sandbox.refresh(to_regclass(mark ->> 'table')::oid, mark ->> 'table');
        elsif command.command_tag = 'CREATE FOREIGN TABLE' and mark is not null then
            perform pg_sandbox.external(command.objid, mark);
        elsif command.command_tag = 'CREATE INDEX' then
            perform pg_sandbox.indexed(command.objid);
        elsif command.command_tag = 'ALTER TABLE' then
            perform pg_sandbox.altered(command.objid);
        end if;
    end loop;
    perform set_config('pg_sandbox.busy', 'off', true);
end $$;

create function pg_sandbox.dropped() returns event_trigger language plpgsql security definer as $$
declare
    gone record;
begin
    for gone in select objid, object_name from pg_event_trigger_dropped_objects() where object_type in ('table',
        'foreign table') loop
        delete from pg_catalog.gp_distribution_policy where localoid = gone.objid;
        delete from pg_sandbox.tables where relid = gone.objid;
        if found and not pg_sandbox.busy() and to_regclass(format('pg_aoseg.%I', 'copies_' || gone.objid)) is not null
            then
            perform set_config('pg_sandbox.busy', 'on', true);
            execute format('drop table pg_aoseg.%I cascade', 'copies_' || gone.objid);
            perform set_config('pg_sandbox.busy', 'off', true);
        end if;
    end loop;
end $$;

create function pg_sandbox.indexed(index oid) returns void language plpgsql security definer set search_path =
    pg_catalog, pg_sandbox as $$
-- The segments' part of CREATE INDEX; names on segments are their own.
declare
    leaf oid;
    place record;
begin
    for leaf in select leaves(indrelid) from pg_index where indexrelid = index loop
        for place in select * from partitions_of(leaf) loop
            perform run_on(place.content, format('create index on public.%I %s', place.physical, index_body(index)));
        end loop;
    end loop;
end $$;

create function pg_sandbox.altered(rel oid) returns void language plpgsql security definer as $$
begin
    if exists (select from pg_sandbox.tables where relid = rel and kind in ('hash', 'root', 'replicated')
        and columns <> pg_sandbox.fingerprint(rel)) then
        raise exception 'changing columns of table "%" is not part of the sandbox', (select relname from pg_class
            where oid = rel)
            using errcode = 'feature_not_supported', hint = 'Create a new table and copy the rows.';
    end if;
end $$;

create function pg_sandbox.refresh(rel oid, named text) returns void language plpgsql security definer as $$
declare
    query text;
begin
    select materialized into query from pg_sandbox.tables where relid = rel;
    if query is null then
        raise exception '"%" is not a materialized view', named using errcode = 'feature_not_supported';
    end if;
    perform pg_sandbox.lock_exclusively(rel);
    execute format('truncate %s', pg_sandbox.name_of(rel));
    execute format('insert into %s %s', pg_sandbox.name_of(rel), query);
end $$;
create materialized view pg_sandbox.nothing as select 1 as nothing;  -- what a rewritten REFRESH refreshes

create function pg_sandbox.external(rel oid, wish json) returns void language plpgsql security definer as $$
-- wish: {"writable": bool, "location": as written, "by": …}
declare
    keys name[] := '{}';
begin
    if (wish ->> 'writable')::bool then
        select coalesce(array_agg(value::name), '{}') into keys
            from json_array_elements_text(coalesce(wish #> '{by,columns}', '[]'));
        perform pg_sandbox.set_policy(rel, 'p', pg_sandbox.segment_count(), keys);
    end if;
    insert into pg_sandbox.tables (relid, kind, storage, location, columns) values (rel, 'external', 'x',
        wish ->> 'location', '');
end $$;
