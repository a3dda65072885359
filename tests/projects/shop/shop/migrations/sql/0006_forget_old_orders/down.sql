-- shop.0006_forget_old_orders: the way back, made by makemigrations
-- dbops: generated a46da18468764bb7

-- dbops: not written: operation 1 (RunSQL) is irreversible; write the way back, or declare: -- dbops: irreversible: <reason>
