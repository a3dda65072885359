-- Write down what is kept. Parameters: id, deployment (uuid), kind, name, place, app,
-- migration, rows, is_estimate, size_bytes, dropped_at, until.
INSERT INTO dbops_kept_data
       (id, deployment_id, kind, name, place, app, migration, rows, is_estimate,
        size_bytes, dropped_at, until, state)
VALUES (%(id)s, %(deployment)s, %(kind)s, %(name)s, %(place)s, %(app)s, %(migration)s,
        %(rows)s, %(is_estimate)s, %(size_bytes)s, %(dropped_at)s, %(until)s, 'kept')
