-- shop.0004_fill_order_notes: the way back, made by makemigrations
-- dbops: generated c8742abf5c0ed2d1

-- dbops: not written: operation 2 (RunPython: shop.migrations.0004_fill_order_notes.empty) cannot be written as SQL
