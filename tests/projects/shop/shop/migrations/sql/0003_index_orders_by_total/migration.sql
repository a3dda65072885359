-- shop.0003_index_orders_by_total: what Django runs, made by makemigrations for review
-- dbops: generated 3bcc2e560265d128

-- dbops: no-transaction

-- Concurrently create index Order_by_total on field(s) total of model order
CREATE INDEX CONCURRENTLY "Order_by_total" ON "Shop_Order" ("total");
