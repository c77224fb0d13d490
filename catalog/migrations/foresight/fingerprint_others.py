"""The queries for all that belongs to no table: schemas, types, functions and the like.

`catalog.migrations.foresight.fingerprint` says what their columns mean, and puts them together.
"""

from __future__ import annotations

_SCHEMAS = """
    SELECT 'schema' AS kind,
           'pg_namespace' AS catalog,
           schema.oid,
           namespace.name,
           schema.nspowner::regrole AS owner
      FROM namespace
      JOIN pg_namespace AS schema ON schema.oid = namespace.oid
     WHERE (schema.oid, 'pg_namespace'::regclass) NOT IN (SELECT objid, classid FROM brought)
"""

_EXTENSIONS = """
    SELECT 'extension' AS kind,
           'pg_extension' AS catalog,
           oid,
           quote_ident(extname) AS name,
           extowner::regrole AS owner,
           extnamespace::regnamespace AS schema
      FROM pg_extension
"""

_TYPES = """
    SELECT CASE
               WHEN NOT type.typisdefined THEN 'shell type'
               WHEN type.typtype = 'e' THEN 'enum'
               WHEN type.typtype = 'd' THEN 'domain'
               WHEN type.typtype = 'c' THEN 'composite type'
               WHEN type.typtype = 'r' THEN 'range type'
               ELSE 'base type'
           END AS kind,
           'pg_type' AS catalog,
           type.oid,
           nullif(type.typrelid, 0) AS whole,
           type.oid::regtype AS name,
           type.typowner::regrole AS owner,
           labels.labels,
           CASE type.typtype WHEN 'd' THEN format_type(type.typbasetype, type.typtypmod) END
               AS type,
           CASE WHEN type.typcollation <> base.typcollation THEN type.typcollation::regcollation END
               AS collation,
           CASE WHEN type.typnotnull THEN 'yes' END AS "not null",
           coalesce(pg_get_expr(type.typdefaultbin, 0), type.typdefault) AS "default",
           range.rngsubtype::regtype AS subtype,
           range.rngmultitypid::regtype AS multirange,
           opclass.opcnamespace::regnamespace || '.' || quote_ident(opclass.opcname)
               AS "operator class",
           nullif(range.rngcollation, 0)::regcollation AS "range collation",
           nullif(range.rngcanonical::text, '-') AS canonical,
           nullif(range.rngsubdiff::text, '-') AS "subtype difference",
           CASE WHEN type.typtype = 'b'
                THEN concat_ws(' ', type.typinput, type.typoutput, type.typreceive, type.typsend,
                               type.typmodin, type.typmodout, type.typanalyze, type.typsubscript,
                               type.typlen, type.typbyval, type.typalign, type.typstorage,
                               type.typcategory, type.typispreferred, type.typdelim,
                               type.typcollation::regcollation, type.typelem::regtype)
           END AS definition
      FROM pg_type AS type
      JOIN namespace ON namespace.oid = type.typnamespace
      LEFT JOIN pg_type AS base ON base.oid = type.typbasetype
      LEFT JOIN pg_range AS range ON range.rngtypid = type.oid
      LEFT JOIN pg_opclass AS opclass ON opclass.oid = range.rngsubopc
      LEFT JOIN (
               SELECT enumtypid,
                      string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) AS labels
                 FROM pg_enum
                GROUP BY enumtypid
           ) AS labels ON labels.enumtypid = type.oid
     WHERE (type.oid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM brought)
"""

_CONSTRAINTS_OF_DOMAINS = """
    SELECT 'constraint' AS kind,
           'pg_constraint' AS catalog,
           con.oid,
           con.contypid::regtype || '.' || quote_ident(con.conname) AS name,
           con.contypid::regtype AS "part of",
           regexp_replace(pg_get_constraintdef(con.oid), ' NOT VALID$', '') AS definition,
           CASE WHEN NOT con.convalidated THEN 'no' END AS validated
      FROM pg_constraint AS con
      JOIN namespace ON namespace.oid = con.connamespace
     WHERE con.contypid <> 0
       AND con.contype = 'c'
       AND (con.contypid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM brought)
"""

_FUNCTIONS = """
    SELECT CASE function.prokind
               WHEN 'p' THEN 'procedure'
               WHEN 'w' THEN 'window function'
               ELSE 'function'
           END AS kind,
           'pg_proc' AS catalog,
           function.oid,
           function.oid::regprocedure AS name,
           function.proowner::regrole AS owner,
           nullif(pg_get_function_arguments(function.oid), '') AS arguments,
           pg_get_function_result(function.oid) AS returns,
           quote_ident(language.lanname) AS language,
           coalesce(pg_get_function_sqlbody(function.oid), function.prosrc) AS body,
           function.probin AS library,
           CASE function.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END
               AS volatility,
           CASE function.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END
               AS parallel,
           CASE WHEN function.proisstrict THEN 'yes' END AS strict,
           CASE WHEN function.prosecdef THEN 'yes' END AS "security definer",
           CASE WHEN function.proleakproof THEN 'yes' END AS leakproof,
           CASE WHEN function.procost <> CASE WHEN language.lanname IN ('internal', 'c') THEN 1
                                              ELSE 100 END
                THEN function.procost::text
           END AS cost,
           nullif(nullif(function.prorows, 1000), 0)::text AS rows,
           nullif(function.prosupport::text, '-') AS support,
           function.proconfig AS settings,
           function.protrftypes::regtype[] AS transforms
      FROM pg_proc AS function
      JOIN namespace ON namespace.oid = function.pronamespace
      JOIN pg_language AS language ON language.oid = function.prolang
     WHERE function.prokind <> 'a'
       AND (function.oid, 'pg_proc'::regclass) NOT IN (SELECT objid, classid FROM brought)
"""

_AGGREGATES = """
    SELECT 'aggregate' AS kind,
           'pg_proc' AS catalog,
           function.oid,
           function.oid::regprocedure AS name,
           function.proowner::regrole AS owner,
           nullif(pg_get_function_arguments(function.oid), '') AS arguments,
           pg_get_function_result(function.oid) AS returns,
           CASE function.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' END
               AS parallel,
           nullif(aggregate.aggkind, 'n') AS form,
           aggregate.aggtransfn AS "state function",
           aggregate.aggtranstype::regtype AS "state type",
           nullif(aggregate.aggtransspace, 0)::text AS "state size",
           aggregate.agginitval AS "initial state",
           nullif(aggregate.aggcombinefn::text, '-') AS "combine function",
           nullif(aggregate.aggserialfn::text, '-') AS "serial function",
           nullif(aggregate.aggdeserialfn::text, '-') AS "deserial function",
           CASE WHEN aggregate.aggfinalfn <> 0
                THEN concat_ws(' ', aggregate.aggfinalfn, aggregate.aggfinalextra,
                               aggregate.aggfinalmodify)
           END AS "final function",
           CASE WHEN aggregate.aggmtransfn <> 0
                THEN concat_ws(' ', aggregate.aggmtransfn, aggregate.aggminvtransfn,
                               aggregate.aggmtranstype::regtype, aggregate.aggmtransspace,
                               quote_literal(aggregate.aggminitval), aggregate.aggmfinalfn,
                               aggregate.aggmfinalextra, aggregate.aggmfinalmodify)
           END AS moving,
           nullif(aggregate.aggsortop, 0)::regoperator AS "sort operator"
      FROM pg_aggregate AS aggregate
      JOIN pg_proc AS function ON function.oid = aggregate.aggfnoid
      JOIN namespace ON namespace.oid = function.pronamespace
     WHERE (function.oid, 'pg_proc'::regclass) NOT IN (SELECT objid, classid FROM brought)
"""

_PUBLICATIONS = """
    SELECT 'publication' AS kind,
           'pg_publication' AS catalog,
           oid,
           quote_ident(pubname) AS name,
           pubowner::regrole AS owner,
           CASE WHEN puballtables THEN 'yes' END AS "all tables",
           concat_ws(', ',
                     CASE WHEN pubinsert THEN 'insert' END,
                     CASE WHEN pubupdate THEN 'update' END,
                     CASE WHEN pubdelete THEN 'delete' END,
                     CASE WHEN pubtruncate THEN 'truncate' END) AS publishes,
           CASE WHEN pubviaroot THEN 'yes' END AS "via root",
           nullif(to_jsonb(pg_publication) ->> 'pubgencols', 'n') AS "generated columns"
      FROM pg_publication
"""

QUERIES = (
    _SCHEMAS,
    _EXTENSIONS,
    _TYPES,
    _CONSTRAINTS_OF_DOMAINS,
    _FUNCTIONS,
    _AGGREGATES,
    _PUBLICATIONS,
)
