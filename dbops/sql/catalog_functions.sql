-- One row per function, procedure, aggregate and window function outside extensions and
-- system schemas; the constructors that come with a range type are left out.
--   schema, name (with the types of its input arguments), definition, body, comment
-- PostgreSQL 15 and later; https://www.postgresql.org/docs/current/catalog-pg-proc.html
SELECT
    pg_catalog.quote_ident(n.nspname) AS schema,
    pg_catalog.concat(pg_catalog.quote_ident(p.proname), '(', (
        SELECT pg_catalog.string_agg(
            -- A type in public loses its schema unless pg_catalog has that name.
            CASE
                WHEN f.type LIKE 'public.%'
                    AND pg_catalog.to_regtype(pg_catalog.substr(f.type, 8)) IS NULL
                THEN pg_catalog.substr(f.type, 8)
                ELSE f.type
            END, ', ' ORDER BY u.place)
        FROM pg_catalog.unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (type, place)
        CROSS JOIN LATERAL pg_catalog.format_type(u.type, NULL) AS f (type)
    ), ')') AS name,
    pg_catalog.concat_ws(' ',
        CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure'
            WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window function' END,
        '(' || pg_catalog.pg_get_function_arguments(p.oid) || ')',
        'returns ' || pg_catalog.pg_get_function_result(p.oid),
        'language ' || pg_catalog.quote_ident(l.lanname),
        CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable'
            WHEN 'v' THEN 'volatile' END,
        CASE WHEN p.proisstrict THEN 'strict' END,
        CASE WHEN p.prosecdef THEN 'security definer' END,
        CASE WHEN p.proleakproof THEN 'leakproof' END,
        CASE p.proparallel WHEN 's' THEN 'parallel safe'
            WHEN 'r' THEN 'parallel restricted' END,
        CASE WHEN p.procost <> (
            CASE WHEN l.lanname IN ('c', 'internal') THEN 1 ELSE 100 END
        ) AND p.prokind <> 'a' THEN 'cost ' || p.procost END,
        CASE WHEN p.proretset AND p.prorows <> 1000 THEN 'rows ' || p.prorows END,
        CASE WHEN p.prosupport <> 0 THEN 'support ' || p.prosupport END,
        'transform for ' || (
            SELECT pg_catalog.string_agg(
                pg_catalog.format_type(x.type, NULL), ', ' ORDER BY x.place)
            FROM pg_catalog.unnest(p.protrftypes) WITH ORDINALITY AS x (type, place)
        ),
        'set ' || pg_catalog.array_to_string(p.proconfig, ' set '),
        CASE WHEN p.probin IS NOT NULL
            THEN 'from ' || pg_catalog.quote_literal(p.probin) END,
        (
            SELECT pg_catalog.concat_ws(' ',
                CASE g.aggkind WHEN 'o' THEN 'ordered-set'
                    WHEN 'h' THEN 'hypothetical-set' END,
                'sfunc ' || g.aggtransfn,
                'stype ' || pg_catalog.format_type(g.aggtranstype, NULL),
                CASE WHEN g.aggtransspace <> 0 THEN 'sspace ' || g.aggtransspace END,
                'initcond ' || pg_catalog.quote_literal(g.agginitval),
                CASE WHEN g.aggfinalfn <> 0 THEN 'finalfunc ' || g.aggfinalfn END,
                CASE WHEN g.aggfinalextra THEN 'finalfunc_extra' END,
                'finalfunc_modify ' || g.aggfinalmodify::text,
                CASE WHEN g.aggcombinefn <> 0 THEN 'combinefunc ' || g.aggcombinefn END,
                CASE WHEN g.aggserialfn <> 0 THEN 'serialfunc ' || g.aggserialfn END,
                CASE WHEN g.aggdeserialfn <> 0
                    THEN 'deserialfunc ' || g.aggdeserialfn END,
                CASE WHEN g.aggmtransfn <> 0 THEN pg_catalog.concat_ws(' ',
                    'msfunc ' || g.aggmtransfn,
                    'minvfunc ' || g.aggminvtransfn,
                    'mstype ' || pg_catalog.format_type(g.aggmtranstype, NULL),
                    CASE WHEN g.aggmtransspace <> 0
                        THEN 'msspace ' || g.aggmtransspace END,
                    'minitcond ' || pg_catalog.quote_literal(g.aggminitval),
                    CASE WHEN g.aggmfinalfn <> 0 THEN 'mfinalfunc ' || g.aggmfinalfn END,
                    CASE WHEN g.aggmfinalextra THEN 'mfinalfunc_extra' END,
                    'mfinalfunc_modify ' || g.aggmfinalmodify::text
                ) END,
                CASE WHEN g.aggsortop <> 0
                    THEN 'sortop ' || g.aggsortop::pg_catalog.regoperator END
            )
            FROM pg_catalog.pg_aggregate AS g
            WHERE g.aggfnoid = p.oid
        )
    ) AS definition,
    CASE WHEN p.prokind <> 'a'
        THEN coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) END AS body,
    d.description AS comment
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_description AS d
    ON d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    AND d.objoid = p.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
            AND e.objid = p.oid AND e.deptype IN ('e', 'i')
    )
