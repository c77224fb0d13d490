"""The queries for tables, views and sequences, and for all that belongs to one of these.

`catalog.migrations.foresight.fingerprint` says what their columns mean, and puts them together.
"""

from __future__ import annotations

# What the queries of both modules build upon: the schemas that are not Postgres' own, what came
# with an extension or with another object (such as the array type of a type), and the tables.
SOURCES = """
    namespace AS MATERIALIZED (
        SELECT oid, nspname, quote_ident(nspname) AS name
          FROM pg_namespace
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ),
    brought AS MATERIALIZED (
        SELECT classid, objid
          FROM pg_depend
         WHERE deptype = 'e'
            OR deptype = 'i' AND classid <> 'pg_class'::regclass
    ),
    relation AS MATERIALIZED (
        SELECT class.oid,
               class.relkind,
               class.relispartition,
               class.relowner,
               namespace.name || '.' || quote_ident(class.relname) AS name,
               namespace.nspname || '.' || class.relname AS plain
          FROM pg_class AS class
          JOIN namespace ON namespace.oid = class.relnamespace
         WHERE class.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
           AND (class.oid, 'pg_class'::regclass) NOT IN (SELECT objid, classid FROM brought)
    )
"""

_RELATIONS = """
    SELECT CASE relation.relkind
               WHEN 'f' THEN 'foreign table'
               WHEN 'v' THEN 'view'
               WHEN 'm' THEN 'materialized view'
               ELSE 'table'
           END AS kind,
           'pg_class' AS catalog,
           relation.oid,
           relation.oid AS whole,
           relation.plain,
           relation.name,
           class.relowner::regrole AS owner,
           CASE WHEN relation.relkind IN ('v', 'm') THEN pg_get_viewdef(class.oid) END
               AS definition,
           CASE class.relpersistence WHEN 'u' THEN 'yes' END AS unlogged,
           nullif(class.reloftype, 0)::regtype AS "of type",
           CASE relation.relkind WHEN 'p' THEN pg_get_partkeydef(class.oid) END AS "partitioned by",
           CASE WHEN class.relispartition THEN parents.names END AS "partition of",
           CASE WHEN class.relispartition THEN pg_get_expr(class.relpartbound, class.oid) END
               AS "partition bound",
           CASE WHEN parents.detaching THEN 'yes' END AS "being detached",
           CASE WHEN NOT class.relispartition THEN parents.names END AS inherits,
           CASE WHEN class.relrowsecurity THEN 'enabled' END AS "row level security",
           CASE WHEN class.relforcerowsecurity THEN 'forced' END AS "row level security of owner",
           CASE WHEN relation.relkind IN ('r', 'p', 'm')
                THEN CASE class.relreplident
                         WHEN 'n' THEN 'nothing'
                         WHEN 'f' THEN 'full'
                         WHEN 'i' THEN 'using an index'
                     END
           END AS "replica identity",
           class.reloptions AS options,
           toast.reloptions AS "toast options",
           tablespace.spcname AS tablespace,
           nullif(method.amname, 'heap') AS "access method",
           quote_ident(server.srvname) AS server,
           remote.ftoptions AS "foreign options"
      FROM relation
      JOIN pg_class AS class ON class.oid = relation.oid
      LEFT JOIN pg_class AS toast ON toast.oid = class.reltoastrelid
      LEFT JOIN pg_tablespace AS tablespace ON tablespace.oid = class.reltablespace
      LEFT JOIN pg_am AS method ON method.oid = class.relam
      LEFT JOIN pg_foreign_table AS remote ON remote.ftrelid = class.oid
      LEFT JOIN pg_foreign_server AS server ON server.oid = remote.ftserver
      LEFT JOIN (
               SELECT inhrelid,
                      array_agg(inhparent::regclass) AS names,
                      bool_or(inhdetachpending) AS detaching
                 FROM pg_inherits
                GROUP BY inhrelid
           ) AS parents ON parents.inhrelid = class.oid
     WHERE relation.relkind NOT IN ('S', 'c')
"""

# Postgres 18 has a constraint for every NOT NULL, and since 17 partitions have a share in the
# identity column of their parent; in earlier versions the same schema has neither.
_COLUMNS = """
    SELECT CASE relation.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END AS kind,
           'pg_class' AS catalog,
           relation.oid,
           attribute.attnum AS sub,
           relation.oid AS part_of,
           quote_ident(attribute.attname) AS part,
           format_type(attribute.atttypid, attribute.atttypmod) AS type,
           CASE WHEN attribute.attcollation <> type.typcollation
                THEN attribute.attcollation::regcollation
           END AS collation,
           CASE WHEN attribute.attnotnull THEN coalesce(unusual.not_null, 'yes') END AS "not null",
           CASE attribute.attgenerated WHEN '' THEN pg_get_expr(value.adbin, value.adrelid) END
               AS "default",
           CASE attribute.attgenerated
               WHEN 's' THEN 'stored ' || pg_get_expr(value.adbin, value.adrelid)
               WHEN 'v' THEN 'virtual ' || pg_get_expr(value.adbin, value.adrelid)
           END AS generated,
           CASE WHEN NOT (relation.relispartition AND version.number >= 170000)
                THEN CASE attribute.attidentity
                         WHEN 'a' THEN 'always'
                         WHEN 'd' THEN 'by default'
                     END
           END AS identity,
           CASE WHEN attribute.attstorage <> type.typstorage
                THEN CASE attribute.attstorage
                         WHEN 'p' THEN 'plain'
                         WHEN 'e' THEN 'external'
                         WHEN 'm' THEN 'main'
                         WHEN 'x' THEN 'extended'
                     END
           END AS storage,
           CASE attribute.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END
               AS compression,
           nullif(attribute.attstattarget, -1)::text AS "statistics target",
           attribute.attoptions AS options,
           attribute.attfdwoptions AS "foreign options",
           CASE WHEN attribute.attinhcount > 0
                THEN CASE WHEN attribute.attislocal THEN 'and its own' ELSE 'yes' END
           END AS inherited
      FROM relation
      JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
      JOIN pg_type AS type ON type.oid = attribute.atttypid
     CROSS JOIN (SELECT current_setting('server_version_num')::integer AS number) AS version
      LEFT JOIN pg_attrdef AS value
             ON value.adrelid = attribute.attrelid AND value.adnum = attribute.attnum
      LEFT JOIN (
               SELECT conrelid,
                      conkey[1] AS attnum,
                      concat_ws(', ',
                                CASE WHEN NOT convalidated THEN 'not valid' END,
                                CASE WHEN connoinherit THEN 'no inherit' END) AS not_null
                 FROM pg_constraint
                WHERE contype = 'n' AND (NOT convalidated OR connoinherit)
           ) AS unusual
             ON unusual.conrelid = attribute.attrelid AND unusual.attnum = attribute.attnum
     WHERE attribute.attnum > 0
       AND NOT attribute.attisdropped
       AND relation.relkind <> 'S'
     ORDER BY attribute.attrelid, attribute.attnum
"""

_INDEXES = """
    SELECT 'index' AS kind,
           'pg_class' AS catalog,
           class.oid,
           relation.oid AS part_of,
           namespace.name || '.' || quote_ident(class.relname) AS name,
           relation.name || '.' || quote_ident(con.conname) AS "of constraint",
           pg_get_indexdef(class.oid) AS definition,
           CASE WHEN NOT index.indisvalid THEN 'no' END AS valid,
           CASE WHEN NOT index.indisready THEN 'no' END AS ready,
           CASE WHEN index.indisclustered THEN 'yes' END AS clustered,
           CASE WHEN index.indisreplident THEN 'yes' END AS "replica identity",
           tablespace.spcname AS tablespace,
           targets.targets AS "statistics targets",
           CASE WHEN class.relispartition THEN parent.inhparent::regclass END AS "partition of"
      FROM relation
      JOIN pg_index AS index ON index.indrelid = relation.oid
      JOIN pg_class AS class ON class.oid = index.indexrelid
      JOIN namespace ON namespace.oid = class.relnamespace
      LEFT JOIN pg_constraint AS con
             ON con.conindid = index.indexrelid AND con.contype IN ('p', 'u', 'x')
      LEFT JOIN pg_tablespace AS tablespace ON tablespace.oid = class.reltablespace
      LEFT JOIN pg_inherits AS parent ON parent.inhrelid = class.oid
      LEFT JOIN (
               SELECT attrelid,
                      array_agg(attnum || ': ' || attstattarget) AS targets
                 FROM pg_attribute
                WHERE attnum > 0 AND attstattarget >= 0
                GROUP BY attrelid
           ) AS targets ON targets.attrelid = class.oid
"""

_SEQUENCES = """
    SELECT 'sequence' AS kind,
           'pg_class' AS catalog,
           relation.oid,
           owner.refobjid AS part_of,
           relation.plain,
           relation.name,
           relation.relowner::regrole AS owner,
           CASE class.relpersistence WHEN 'u' THEN 'yes' END AS unlogged,
           sequence.seqtypid::regtype AS type,
           sequence.seqstart::text AS start,
           sequence.seqincrement::text AS increment,
           sequence.seqmin::text AS minimum,
           sequence.seqmax::text AS maximum,
           nullif(sequence.seqcache, 1)::text AS cache,
           CASE WHEN sequence.seqcycle THEN 'yes' END AS cycle,
           owner.refobjid::regclass || '.' || quote_ident("column".attname) AS "owned by"
      FROM relation
      JOIN pg_class AS class ON class.oid = relation.oid
      JOIN pg_sequence AS sequence ON sequence.seqrelid = relation.oid
      LEFT JOIN pg_depend AS owner
             ON owner.classid = 'pg_class'::regclass
            AND owner.objid = sequence.seqrelid
            AND owner.refclassid = 'pg_class'::regclass
            AND owner.refobjsubid > 0
            AND owner.deptype IN ('a', 'i')
      LEFT JOIN pg_attribute AS "column"
             ON "column".attrelid = owner.refobjid AND "column".attnum = owner.refobjsubid
"""

# A foreign key to a partitioned table has a constraint for each partition of that, too. Postgres
# keeps foreign keys by triggers of its own, which can be switched off as others can.
_CONSTRAINTS = """
    SELECT 'constraint' AS kind,
           'pg_constraint' AS catalog,
           con.oid,
           con.conrelid AS part_of,
           quote_ident(con.conname) AS part,
           regexp_replace(pg_get_constraintdef(con.oid), ' NOT VALID$', '') AS definition,
           CASE WHEN NOT con.convalidated THEN 'no' END AS validated,
           CASE WHEN con.coninhcount > 0
                THEN CASE WHEN con.conislocal THEN 'and its own' ELSE 'yes' END
           END AS inherited,
           switched.triggers AS triggers
      FROM relation
      JOIN pg_constraint AS con ON con.conrelid = relation.oid
      LEFT JOIN pg_constraint AS parent ON parent.oid = con.conparentid
      LEFT JOIN (
               SELECT tgconstraint,
                      array_agg(DISTINCT tgrelid::regclass || ': '
                                         || CASE tgenabled
                                                WHEN 'D' THEN 'disabled'
                                                WHEN 'R' THEN 'on replicas'
                                                WHEN 'A' THEN 'always'
                                            END) AS triggers
                 FROM pg_trigger
                WHERE tgisinternal AND tgenabled <> 'O'
                GROUP BY tgconstraint
           ) AS switched ON switched.tgconstraint = con.oid
     WHERE con.contype IN ('c', 'f', 'p', 'u', 'x')
       AND parent.conrelid IS DISTINCT FROM con.conrelid
"""

_TRIGGERS = """
    SELECT 'trigger' AS kind,
           'pg_trigger' AS catalog,
           trigger.oid,
           relation.oid AS part_of,
           quote_ident(trigger.tgname) AS part,
           pg_get_triggerdef(trigger.oid) AS definition,
           CASE trigger.tgenabled
               WHEN 'D' THEN 'no'
               WHEN 'R' THEN 'on replicas'
               WHEN 'A' THEN 'always'
           END AS enabled,
           CASE WHEN trigger.tgparentid <> 0 THEN 'yes' END AS inherited
      FROM relation
      JOIN pg_trigger AS trigger ON trigger.tgrelid = relation.oid
     WHERE NOT trigger.tgisinternal
"""

_RULES = """
    SELECT 'rule' AS kind,
           'pg_rewrite' AS catalog,
           rule.oid,
           relation.oid AS part_of,
           quote_ident(rule.rulename) AS part,
           pg_get_ruledef(rule.oid) AS definition,
           CASE rule.ev_enabled
               WHEN 'D' THEN 'no'
               WHEN 'R' THEN 'on replicas'
               WHEN 'A' THEN 'always'
           END AS enabled
      FROM relation
      JOIN pg_rewrite AS rule ON rule.ev_class = relation.oid
     WHERE rule.rulename <> '_RETURN'
"""

_POLICIES = """
    SELECT 'policy' AS kind,
           'pg_policy' AS catalog,
           policy.oid,
           relation.oid AS part_of,
           quote_ident(policy.polname) AS part,
           CASE WHEN NOT policy.polpermissive THEN 'yes' END AS restrictive,
           CASE policy.polcmd
               WHEN 'r' THEN 'SELECT'
               WHEN 'a' THEN 'INSERT'
               WHEN 'w' THEN 'UPDATE'
               WHEN 'd' THEN 'DELETE'
           END AS "for",
           nullif(policy.polroles, '{0}')::regrole[] AS "to",
           pg_get_expr(policy.polqual, policy.polrelid) AS "using",
           pg_get_expr(policy.polwithcheck, policy.polrelid) AS "with check"
      FROM relation
      JOIN pg_policy AS policy ON policy.polrelid = relation.oid
"""

_STATISTICS = """
    SELECT 'statistics' AS kind,
           'pg_statistic_ext' AS catalog,
           object.oid,
           relation.oid AS part_of,
           namespace.name || '.' || quote_ident(object.stxname) AS name,
           object.stxowner::regrole AS owner,
           pg_get_statisticsobjdef(object.oid) AS definition,
           nullif(object.stxstattarget, -1)::text AS "statistics target"
      FROM relation
      JOIN pg_statistic_ext AS object ON object.stxrelid = relation.oid
      JOIN namespace ON namespace.oid = object.stxnamespace
"""

QUERIES = (
    _RELATIONS,
    _COLUMNS,
    _INDEXES,
    _SEQUENCES,
    _CONSTRAINTS,
    _TRIGGERS,
    _RULES,
    _POLICIES,
    _STATISTICS,
)
