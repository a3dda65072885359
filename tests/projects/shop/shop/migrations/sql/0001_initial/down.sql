-- shop.0001_initial: the way back, made by makemigrations
-- dbops: generated 2288524452c8d225

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Create model Order
DROP TABLE "Shop_Order" CASCADE;

-- Undo: Create model Customer
DROP TABLE "shop_customer" CASCADE;
