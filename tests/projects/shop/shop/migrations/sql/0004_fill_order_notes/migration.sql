-- shop.0004_fill_order_notes: what Django runs, made by makemigrations for review
-- dbops: generated 7d23926677f489a4

-- Raw Python operation
-- operation 1 (RunPython: shop.migrations.0004_fill_order_notes.fill) is not in this file: it runs Python.

-- Raw Python operation
-- operation 2 (RunPython: shop.migrations.0004_fill_order_notes.fill) is not in this file: it runs Python.

-- Raw SQL operation
UPDATE "Shop_Order" SET note = 'it''s' WHERE note LIKE '%x';
