-- shop.0012_close_order_books: what Django runs, made by makemigrations for review
-- dbops: generated 5673fd744131fadb

-- Raw SQL operation
COMMENT ON TABLE "Shop_Order" IS 'closed';
