-- shop.0006_forget_old_orders: what Django runs, made by makemigrations for review
-- dbops: generated cf6656edf646692c

-- Raw SQL operation
DELETE FROM "Shop_Order" WHERE number < 1000;
