-- shop.0012_close_order_books: the way back, made by makemigrations
-- dbops: generated 920a2d59159841ec

-- dbops: not written: operation 1 (RunSQL) fails: line 1: "BEGIN" is in the script, and dbops opens and ends the transaction itself
