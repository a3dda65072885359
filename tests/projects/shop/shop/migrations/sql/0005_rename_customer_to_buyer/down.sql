-- shop.0005_rename_customer_to_buyer: the way back, made by makemigrations
-- dbops: generated 66c550e11acaeabb

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Rename field customer on order to buyer
SET CONSTRAINTS "Shop_Order_buyer_id_fa317d7b_fk_shop_customer_id" IMMEDIATE;

ALTER TABLE "Shop_Order" DROP CONSTRAINT "Shop_Order_buyer_id_fa317d7b_fk_shop_customer_id";

ALTER TABLE "Shop_Order" RENAME COLUMN "buyer_id" TO "customer_id";

ALTER TABLE "Shop_Order" ADD CONSTRAINT "Shop_Order_customer_id_a037f833_fk_shop_customer_id" FOREIGN KEY ("customer_id") REFERENCES "shop_customer" ("id") DEFERRABLE INITIALLY DEFERRED;
