-- shop.0010_index_order_notes: what Django runs, made by makemigrations for review
-- dbops: generated 91fcf7304fb9966b

-- Raw SQL operation
CREATE INDEX "Order_by_note" ON "Shop_Order" (note);
