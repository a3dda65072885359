-- shop.0009_count_orders: what Django runs, made by makemigrations for review
-- dbops: generated 185fb31ac93c2537

-- Raw SQL operation
-- How many there are.
CREATE FUNCTION count_orders() RETURNS bigint LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*) FROM "Shop_Order";
END;
COMMENT ON FUNCTION count_orders() IS 'no more than 100% of them; -- promised';

-- Raw Python operation
-- operation 1.2 (RunPython: shop.migrations.0009_count_orders.Migration.<lambda>) is not in this file: it runs Python.
