-- shop.0003_index_orders_by_total: the way back, made by makemigrations
-- dbops: generated ed317a715f4a5cba

-- dbops: no-transaction
-- Played on a scratch database: gives back the schema exactly.

-- Undo: Concurrently create index Order_by_total on field(s) total of model order
DROP INDEX CONCURRENTLY IF EXISTS "Order_by_total";
