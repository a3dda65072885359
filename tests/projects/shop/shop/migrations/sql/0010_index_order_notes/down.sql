-- shop.0010_index_order_notes: the way back, made by makemigrations
-- dbops: generated 3dfd3376df3cb4ca

-- dbops: not written: played on a scratch database, it does not give back the schema: index "Order_by_note": not expected, found ON public."Shop_Order" USING btree (note)
