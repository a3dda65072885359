-- shop.0008_offer_gift_notes: what Django runs, made by makemigrations for review
-- dbops: generated d9032faa0b479c97

-- There is no SQL in it.
