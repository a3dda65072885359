-- shop.0011_drop_index_of_order_notes: the way back, made by makemigrations
-- dbops: generated 184bb98767189dd4

-- dbops: no-transaction
-- dbops: not written: played on a scratch database, it does not give back the schema: index "Order_by_note": expected ON public."Shop_Order" USING btree (note), not found; index "Other_name": not expected, found ON public."Shop_Order" USING btree (note)

-- Undo: Raw SQL operation
CREATE INDEX CONCURRENTLY "Other_name" ON "Shop_Order" (note);
