-- shop.0007_remove_order_number: what Django runs, made by makemigrations for review
-- dbops: generated ebb9145f41b5ee71

-- Remove field number from order
ALTER TABLE "Shop_Order" DROP COLUMN "number" CASCADE;
