-- shop.0005_rename_customer_to_buyer: what Django runs, made by makemigrations for review
-- dbops: generated a35f19840e303455

-- Rename field customer on order to buyer
SET CONSTRAINTS "Shop_Order_customer_id_a037f833_fk_shop_customer_id" IMMEDIATE;

ALTER TABLE "Shop_Order" DROP CONSTRAINT "Shop_Order_customer_id_a037f833_fk_shop_customer_id";

ALTER TABLE "Shop_Order" RENAME COLUMN "customer_id" TO "buyer_id";

ALTER TABLE "Shop_Order" ADD CONSTRAINT "Shop_Order_buyer_id_fa317d7b_fk_shop_customer_id" FOREIGN KEY ("buyer_id") REFERENCES "shop_customer" ("id") DEFERRABLE INITIALLY DEFERRED;
