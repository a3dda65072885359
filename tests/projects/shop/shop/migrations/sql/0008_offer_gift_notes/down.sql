-- shop.0008_offer_gift_notes: the way back, made by makemigrations
-- dbops: generated fec1fb2d9ec0d03d

-- dbops: nothing to do
-- Played on a scratch database: gives back the schema exactly.
