-- 20_partitions.sql: one and two levels of partitions; a large plain table
create table sales.facts (id bigint, day date, amount numeric, filler text) distributed by (id)
    partition by range (day)
    (start (date '2025-01-01') inclusive end (date '2026-01-01') exclusive every (interval '1 month'),
        default partition other);
insert into sales.facts select i, date '2025-01-01' + (i % 365), i / 100.0, repeat('f', 50) from generate_series(1,
    {n:900000}) i;
create table sales.events (id bigint, day date, kind text, payload text)
    with (appendonly=true, orientation=column, compresstype=zlib, compresslevel=1) distributed by (id)
    partition by range (day) subpartition by list (kind)
    subpartition template (subpartition a values ('a'), subpartition b values ('b'), default subpartition oth)
    (start (date '2025-01-01') end (date '2025-05-01') every (interval '1 month'));
insert into sales.events
    select i, date '2025-01-01' + (i % 120), substr('abcd', 1 + (i % 4), 1), repeat('p', 80) from generate_series(1,
        {n:400000}) i;
create table sales.clicks (at timestamp, session uuid, url text, ua text) distributed randomly;
insert into sales.clicks select timestamp '2025-06-01' + i * interval '1 sec', md5(i::text)::uuid, '/p/' || i % 4000,
    repeat('u', 30)
    from generate_series(1, {n:600000}) i;
create table sales.history (id bigint, at timestamp, what text) distributed by (id);
insert into sales.history select i, timestamp '2024-01-01' + i * interval '1 sec', repeat('h', 100)
    from generate_series(1, {n:1900000}) i;
analyze sales.facts;
