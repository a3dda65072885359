-- shop.0007_remove_order_number: the way back, made by makemigrations
-- dbops: generated f9ee4247947f35e9

-- Played on a scratch database: gives back the schema, all but column order; fails where a table has rows: a new NOT NULL column has no DEFAULT.

-- Undo: Remove field number from order
ALTER TABLE "Shop_Order" ADD COLUMN "number" integer NOT NULL UNIQUE;
