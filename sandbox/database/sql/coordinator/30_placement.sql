-- 30_placement.sql: where the rows of a table lie
-- A distributed table is a hash-partitioned parent (its OID is the table's for ever) over foreign partitions in
-- pg_aoseg, each of which names a physical table t<oid>_<generation> on one segment. Moving rows fills the next
-- generation and exchanges the partitions: which generation counts is decided by the coordinator's catalog alone, so a
-- move is atomic whatever dies. Left-over generations are dropped later (sandbox/database/garbage.py).

create table pg_catalog.gp_distribution_policy (
    localoid oid not null, policytype "char" not null, numsegments int4 not null, distkey int2vector not null,
        distclass oidvector not null);
create unique index gp_policy_localoid_index on pg_catalog.gp_distribution_policy (localoid);
grant select on pg_catalog.gp_distribution_policy to public;

create table pg_sandbox.tables (
    relid oid primary key,
    -- hash: also random; root: of partitions
    kind text not null check (kind in ('hash', 'replicated', 'local', 'external', 'root')),
    storage "char" not null default 'h',  -- as pg_class.relstorage
    options text[],                       -- as pg_class.reloptions
    materialized text,                    -- query of a materialized view
    location text,                        -- of an external table
    -- of the physical tables (PostgreSQL allows no unique ones on the parent), '@"' ends their names
    constraints text[] not null default '{}',
    columns text not null                 -- fingerprint; a changed one means a change which the segments did not get
);
grant select on pg_sandbox.tables to public;

create function pg_sandbox.name_of(rel oid) returns text language sql stable as $$
    select format('%I.%I', n.nspname, c.relname) from pg_class_real c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = rel
$$;

create function pg_sandbox.columns_of(rel oid) returns text language sql stable as $$
    select string_agg(format('%I', attname), ', ' order by attnum) from pg_attribute where attrelid = rel
        and attnum > 0 and not attisdropped
$$;

create function pg_sandbox.fingerprint(rel oid) returns text language sql stable as $$
    select coalesce(string_agg(format('%s %s %s', attname, atttypid::oid, attnotnull), ',' order by attnum), '')
        from pg_attribute
    where attrelid = rel and attnum > 0 and not attisdropped
$$;

create function pg_sandbox.key_columns(rel oid) returns name[] language sql stable as $$
    select coalesce(array_agg(a.attname order by k.position), '{}')
    from pg_catalog.gp_distribution_policy p cross join lateral unnest(p.distkey::int2[]) with ordinality as k(number,
        position)
    join pg_attribute a on a.attrelid = p.localoid and a.attnum = k.number where p.localoid = rel
$$;

create function pg_sandbox.anywhere(anyelement) returns int language sql immutable parallel safe as
    'select (random() * 2147483647)::int';
grant execute on function pg_sandbox.anywhere(anyelement) to public;

create function pg_sandbox.partition_key(rel oid, keys name[]) returns text language sql stable as $$
    -- What stands behind PARTITION BY for a table with that distribution key; none: each row goes anywhere.
    select 'hash (' || case when keys = '{}' then
        (select format('pg_sandbox.anywhere(%I)', attname) from pg_attribute where attrelid = rel and attnum > 0
            and not attisdropped
         order by attnum limit 1)
        else (select string_agg(format('%I', k), ', ' order by n) from unnest(keys) with ordinality as t(k,
            n)) end || ')'
$$;

create function pg_sandbox.set_policy(rel oid, type "char", segments int, keys name[]) returns void
    language plpgsql security definer as $$
declare
    numbers text;
    classes text;
begin
    select coalesce(string_agg(a.attnum::text, ' ' order by n), ''),
           coalesce(string_agg(case a.atttypid when 'int4'::regtype then 10027 when 'int8'::regtype then 10028
               when 'text'::regtype then 10043
                                   else a.atttypid::int + 100000 end::text, ' ' order by n), '')
    into numbers, classes
    from unnest(keys) with ordinality as k(name, n) join pg_attribute a on a.attrelid = rel and a.attname = k.name;
    insert into pg_catalog.gp_distribution_policy values (rel, type, segments, numbers::int2vector, classes::oidvector)
    on conflict (localoid) do update set policytype = type, numsegments = segments, distkey = excluded.distkey,
        distclass = excluded.distclass;
end $$;

create function pg_sandbox.physical_definition(rel oid, physical name) returns text language plpgsql stable
set search_path = pg_catalog, pg_sandbox as $$
declare
    columns text;
    unlogged bool;
    foreigner text;
begin
    select string_agg(format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
               case when a.attcollation <> t.typcollation then ' collate ' || a.attcollation::regcollation else '' end,
               case when a.attnotnull then ' not null' else '' end), ', ' order by a.attnum),
           min(t.typname) filter (where t.typnamespace <> 'pg_catalog'::regnamespace and not exists (
               select from pg_type e where e.oid = t.typelem and e.typnamespace = 'pg_catalog'::regnamespace))
    into columns, foreigner
    from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = rel and a.attnum > 0
        and not a.attisdropped;
    if foreigner is not null then
        raise exception 'type % on segments is not part of the sandbox', foreigner using
            errcode = 'feature_not_supported';
    end if;
    select relpersistence = 'u' into unlogged from pg_class_real where oid = rel;
    return format('create %s table public.%I (%s)', case when unlogged then 'unlogged' else '' end, physical, columns);
end $$;

create function pg_sandbox.partitions_of(rel oid) returns table (partition oid, name name, content int, physical name)
    language sql stable
set search_path = pg_catalog, pg_sandbox as $$
    select f.ftrelid, c.relname, substr(s.srvname, 4)::int,
           (select o.option_value from pg_options_to_table(f.ftoptions) o where o.option_name = 'table_name')::name
    from pg_inherits_real i join pg_foreign_table f on f.ftrelid = i.inhrelid join pg_foreign_server s
        on s.oid = f.ftserver
    join pg_class_real c on c.oid = f.ftrelid
    where i.inhparent = rel order by 3
$$;

create function pg_sandbox.place(rel oid, generation bigint, content int, modulus int) returns void
    language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- A new physical table on one segment, and the foreign partition for it.
declare
    physical name := 't' || rel || '_' || generation;
    keys name[];
begin
    perform ensure_segment(content);
    perform run_on(content, physical_definition(rel, physical));
    keys := key_columns(rel);
    if keys <> '{}' then
        perform run_on(content,
            format('create trigger key before update of %1$s on public.%2$I for each row when (%3$s) execute function '
            'pg_sandbox.refuse_key_update()', (select string_agg(format('%I', k), ', ') from unnest(keys) k), physical,
            (select string_agg(format('old.%1$I is distinct from new.%1$I', k), ' or ') from unnest(keys) k)));
    end if;
    perform show_physical(rel, generation, content, modulus);
end $$;

create function pg_sandbox.show_physical(rel oid, generation bigint, content int, modulus int) returns void
    language plpgsql
set search_path = pg_catalog, pg_sandbox as $$
-- The foreign partition for a physical table which is there.
begin
    execute
        format('create foreign table pg_aoseg.%I partition of %s for values with (modulus %s, remainder %s) server %I '
                   'options (schema_name ''public'', table_name %L)',
                   't' || rel || '_' || generation || '__gpseg' || content, name_of(rel), modulus, content,
                       'seg' || content,
                   't' || rel || '_' || generation);
end $$;

create function pg_sandbox.index_body(index oid) returns text language sql stable as $$
    select substr(pg_get_indexdef(index), position(' USING ' in pg_get_indexdef(index)) + 1)
$$;

create function pg_sandbox.finish_physical(rel oid, generation bigint) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Constraints and indexes of one generation, made after the rows are there.
declare
    place record;
    definition text;
    indexes text[];
begin
    select coalesce(array_agg(index_body(indexrelid)), '{}') into indexes from pg_index where indrelid = rel;
    for place in select * from partitions_of(rel) where physical = 't' || rel || '_' || generation loop
        foreach definition in array (select constraints from tables where relid = rel) loop
            perform run_on(place.content, format('alter table public.%I add %s', place.physical, replace(definition,
                '@"', '_' || generation || '"')));
        end loop;
        foreach definition in array indexes loop
            perform run_on(place.content, format('create index on public.%I %s', place.physical, definition));
        end loop;
    end loop;
end $$;

create function pg_sandbox.protect(rel oid) returns void language plpgsql as $$
-- Held until the local transaction is over: while it is, the garbage collector leaves this table's physical tables
-- alone.
begin
    perform pg_catalog.pg_advisory_xact_lock(rel::int8);
end $$;

create function pg_sandbox.move(rel oid, segments int, keys name[] default null) returns void
    language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- All rows of a distributed table into a new generation on contents 0 .. segments - 1, under another key if one is
-- given (the policy says so already). The caller holds AccessExclusive on it.
declare
    place record;
    old name[] := '{}';
    sources text[] := '{}';
    columns text := columns_of(rel);
    generation bigint := nextval('pg_sandbox.generation');
    began timestamptz := clock_timestamp();
    cap float8 := nullif(pg_sandbox.fault('slow-moves'), '')::float8;
begin
    perform protect(rel);
    for place in select * from partitions_of(rel) loop
        execute format('alter table %s detach partition pg_aoseg.%I', name_of(rel), place.name);
        old := old || place.name;
        sources := sources || format('select %s from pg_aoseg.%I', columns, place.name);
    end loop;
    if keys is not null then
        perform change_key(rel, keys);
    end if;
    for content in 0 .. segments - 1 loop
        perform place(rel, generation, content, segments);
    end loop;
    if sources <> '{}' then
        execute format('insert into %s (%s) %s', name_of(rel), columns, array_to_string(sources, ' union all '));
    end if;
    perform finish_physical(rel, generation);
    foreach place.name in array old loop
        execute format('drop foreign table pg_aoseg.%I', place.name);
    end loop;
    if cap > 0 then  -- fault slow-moves: as if the disks gave no more than that
        perform pg_sleep(greatest(0, size_of(rel, 'main') / cap / 1048576 - extract(epoch
            from clock_timestamp() - began)));
    end if;
end $$;

create function pg_sandbox.change_key(rel oid, keys name[]) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Another distribution key for a table without partitions (they are detached), its OID kept: PostgreSQL has no command
-- for that, so the key is copied from a twin. The last two statements make every session read the new one.
declare
    column_name name;
begin
    execute format('create table pg_aoseg.%I (like %s) partition by %s', 'twin_' || rel, name_of(rel),
        partition_key(rel, keys));
    update pg_partitioned_table t set partnatts = s.partnatts, partattrs = s.partattrs, partclass = s.partclass,
        partcollation = s.partcollation, partexprs = s.partexprs
    from pg_partitioned_table s where t.partrelid = rel and s.partrelid = to_regclass(format('pg_aoseg.%I',
        'twin_' || rel))::oid;
    execute format('drop table pg_aoseg.%I', 'twin_' || rel);
    select attname into column_name from pg_attribute where attrelid = rel and attnum > 0 and not attisdropped
        and not attnotnull order by attnum limit 1;
    if column_name is not null then
        execute format('alter table %s alter column %I set not null', name_of(rel), column_name);
        execute format('alter table %s alter column %I drop not null', name_of(rel), column_name);
    else
        select attname into column_name from pg_attribute where attrelid = rel and attnum > 0 and not attisdropped
            order by attnum limit 1;
        execute format('alter table %s alter column %I drop not null', name_of(rel), column_name);
        execute format('alter table %s alter column %I set not null', name_of(rel), column_name);
    end if;
end $$;

create function pg_sandbox.size_of(rel oid, measure text) returns bigint language plpgsql stable security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Bytes of a distributed table on all its segments; measure: main, with_toast, indexes. Null for a table which is not
-- distributed.
declare
    question text;
    total bigint;
begin
    if not exists (select from tables where relid = rel and kind in ('hash', 'root')) then
        return null;
    end if;
    select string_agg(format('select %I as bytes from pg_aoseg.%I where relname = %L', measure, 'sizes_' || p.content,
        p.physical), ' union all ')
    into question from partitions_of(rel) p;
    if question is not null then
        execute 'select sum(bytes) from (' || question || ') parts' into total;  -- all segments at the same time
    end if;
    return coalesce(total, 0);
end $$;
