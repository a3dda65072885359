"""What SQL locks, scans and rewrites, told before it runs.

`predict_locks` in `predict` for one text, `judge` in `judge` for all of a transaction.
"""
