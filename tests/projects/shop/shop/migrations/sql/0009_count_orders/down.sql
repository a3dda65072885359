-- shop.0009_count_orders: the way back, made by makemigrations
-- dbops: generated 10bf20c8bbde33c4

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Custom state/database change combination
DROP FUNCTION count_orders();
