-- shop.0002_add_order_note: the way back, made by makemigrations
-- dbops: generated 9b5644c7c235ada6

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Add field note to order
ALTER TABLE "Shop_Order" DROP COLUMN "note" CASCADE;
