-- 45_partitions.sql: Greenplum's PARTITION BY … SUBPARTITION TEMPLATE, which the proxy hands over as JSON
-- {"strategy": "range" | "list", "column": c, "parts": [part, …], "sub": {the same, one level down}}; a part is
-- {"name": n | null, "default": true}, {"name", "values": [expression, …]} or {"name", "start", "start_inclusive",
-- "end", "end_inclusive", "every"} (expressions as written). Names as Greenplum gives them: parent_1_prt_name,
-- parent_1_prt_name_2_prt_name; nameless ones get their ordinal number.

create function pg_sandbox.partition_clause(spec json) returns text language sql immutable as $$
    select format('%s (%I)', spec ->> 'strategy', spec ->> 'column')
$$;

create function pg_sandbox.add_partitions(rel oid, keys name[], wish json, spec json default null, level int default 1)
    returns void
language plpgsql security definer set search_path = pg_catalog, pg_sandbox as $$
declare
    part json;
    ordinal int := 0;
    kind text;
    low text;
    high text;
    top text;
begin
    spec := coalesce(spec, wish -> 'partition');
    select format_type(atttypid, atttypmod) into kind from pg_attribute where attrelid = rel
        and attname = spec ->> 'column' and not attisdropped;
    if kind is null then
        raise exception 'column "%" does not exist in relation "%"', spec ->> 'column', rel::regclass using
            errcode = 'undefined_column';
    end if;
    -- A default partition counts first, as in Greenplum; it is made last, so that nobody need look for rows in it.
    select count(*) into ordinal from json_array_elements(spec -> 'parts') p where p ->> 'default' = 'true';
    for part in
        select p from json_array_elements(spec -> 'parts') with ordinality as t(p, n)
        order by coalesce(p ->> 'default', 'false') = 'true', n
    loop
        if part ->> 'default' = 'true' then
            perform add_partition(rel, keys, wish, spec, level, coalesce(part ->> 'name', '1'), 'default');
        elsif part #> '{values}' is not null then
            ordinal := ordinal + 1;
            perform add_partition(rel, keys, wish, spec, level, coalesce(part ->> 'name', ordinal::text),
                (select format('for values in (%s)', string_agg(v, ', '))
                    from json_array_elements_text(part -> 'values') v));
        else
            execute format('select cast(%s as %s)::text, cast(%s as %2$s)::text', part ->> 'start', kind,
                part ->> 'end') into low, top;
            if part ->> 'start_inclusive' = 'false' or part ->> 'end_inclusive' = 'true' then
                raise exception 'START EXCLUSIVE and END INCLUSIVE are not part of the sandbox' using
                    errcode = 'feature_not_supported';
            end if;
            loop
                ordinal := ordinal + 1;
                high := top;
                if part ->> 'every' is not null then
                    execute format('select least(cast(%L as %s) + %s, cast(%L as %2$s))::%2$s::text', low, kind,
                        part ->> 'every', top) into high;
                end if;
                perform add_partition(rel, keys, wish, spec, level,
                    case when part ->> 'name' is null then ordinal::text when part ->> 'every' is null
                        then part ->> 'name'
                         else part ->> 'name' || '_' || ordinal end, format('for values from (%L) to (%L)', low, high));
                exit when high = top;
                low := high;
            end loop;
        end if;
    end loop;
end $$;

create function pg_sandbox.add_partition(rel oid, keys name[], wish json, spec json, level int, part text, bounds text)
    returns void
language plpgsql security definer set search_path = pg_catalog, pg_sandbox as $$
declare
    relation record;
    name text;
    child oid;
    deeper json := spec -> 'sub';
begin
    select n.nspname, c.relname, r.rolname into relation from pg_class_real c join pg_namespace n
        on n.oid = c.relnamespace
    join pg_roles r on r.oid = c.relowner where c.oid = rel;
    name := format('%I.%I', relation.nspname, relation.relname || '_' || level || '_prt_' || part);
    execute format('create table %s partition of %s %s partition by %s', name, name_of(rel), bounds,
                   case when deeper is null then partition_key(rel, keys) else partition_clause(deeper) end);
    child := to_regclass(name)::oid;
    execute format('alter table %s owner to %I', name, relation.rolname);
    insert into tables (relid, kind, storage, options, constraints, columns)
    select child, case when deeper is null then 'hash' else 'root' end, storage, options, constraints,
        fingerprint(child) from tables where relid = rel;
    perform set_policy(child, 'p', segment_count(), keys);
    if deeper is null then
        perform fill(child);
    else
        perform add_partitions(child, keys, wish, deeper, level + 1);
    end if;
end $$;
