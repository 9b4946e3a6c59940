-- 10_sales.sql: hash, replicated, random and skewed tables
create table sales.orders (id bigint, customer_id int, region text, amount numeric(12,2), ordered_at timestamp,
    note text) distributed by (id);
insert into sales.orders
    select i, i % 50000, 'r' || (i % 12), (i % 10000) / 7.0, timestamp '2025-01-01' + (i % 31536000) * interval
        '1 second', repeat('x', 40)
    from generate_series(1, {n:900000}) i;
create table sales.customers (id int primary key, name text, email text, created date) distributed by (id);
insert into sales.customers select i, 'Customer ' || i, 'c' || i || '@example.com', date '2020-01-01' + (i % 1500)
    from generate_series(1, {n:50000}) i;
create table sales.order_lines (order_id bigint, line_no int, sku text, qty int, price numeric) distributed by
    (order_id, line_no);
insert into sales.order_lines select i / 3, i % 3, 'sku' || (i % 4000), i % 9, (i % 1000) / 3.0 from generate_series(1,
    {n:1800000}) i;
create index order_lines_sku on sales.order_lines (sku);
create table sales.products (sku text, title text, price numeric) distributed replicated;
insert into sales.products select 'sku' || i, 'Product ' || i, i / 10.0 from generate_series(1, 4000) i;
create table sales.regions (code text, title text) distributed replicated;
insert into sales.regions select 'r' || i, 'Region ' || i from generate_series(0, 11) i;
create table sales.skewed (k int, v text) distributed by (k);
insert into sales.skewed select case when i % 10 < 9 then 1 else i end, repeat('s', 60) from generate_series(1,
    {n:300000}) i;
create view sales.v_orders as select region, count(*) n, sum(amount) total from sales.orders group by region;
create materialized view sales.mv_orders as select region, count(*) n, sum(amount) total from sales.orders
    group by region distributed by (region);
create materialized view sales.mv_customers as select * from sales.customers distributed randomly;
create function sales.f(int) returns int language sql as 'select $1+1';
analyze sales.orders;
analyze sales.customers;
analyze sales.skewed;
