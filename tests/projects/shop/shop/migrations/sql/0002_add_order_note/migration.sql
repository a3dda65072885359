-- shop.0002_add_order_note: what Django runs, made by makemigrations for review
-- dbops: generated d583e679beb718cd

-- Add field note to order
ALTER TABLE "Shop_Order" ADD COLUMN "note" text DEFAULT '100% ''new''' NOT NULL;

ALTER TABLE "Shop_Order" ALTER COLUMN "note" DROP DEFAULT;
