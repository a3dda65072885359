-- shop.0011_drop_index_of_order_notes: what Django runs, made by makemigrations for review
-- dbops: generated 7726376bae735146

-- dbops: no-transaction

-- Raw SQL operation
DROP INDEX CONCURRENTLY "Order_by_note";
