"""The query for what an object of any kind can have: a comment, grants, ties to extensions.

No access list at all means the default one. Where there is one, only the roles are told for which
it differs from the default, each with all that it may do. Who granted it is left out.
"""

from __future__ import annotations

ATTACHED = """
    SELECT classoid::regclass AS catalog,
           objoid AS oid,
           objsubid AS sub,
           'comment' AS fact,
           description AS value
      FROM pg_description
     WHERE objoid >= 16384
        OR classoid IN ('pg_namespace'::regclass, 'pg_extension'::regclass)
    UNION ALL
    SELECT depend.classid::regclass,
           depend.objid,
           depend.objsubid,
           'depends on extensions',
           string_agg(quote_ident(extension.extname), ', ' ORDER BY extension.extname)
      FROM pg_depend AS depend
      JOIN pg_extension AS extension ON extension.oid = depend.refobjid
     WHERE depend.deptype = 'x'
     GROUP BY depend.classid, depend.objid, depend.objsubid
    UNION ALL
    SELECT privilege.catalog::regclass,
           privilege.oid,
           privilege.sub,
           'grants to ' || CASE privilege.grantee
                               WHEN 0 THEN 'PUBLIC'
                               WHEN privilege.owner THEN 'OWNER'
                               ELSE privilege.grantee::regrole::text
                           END,
           coalesce(string_agg(concat(privilege.name,
                                      CASE WHEN privilege.grantable THEN ' WITH GRANT OPTION' END),
                               ', ' ORDER BY privilege.name COLLATE "C")
                        FILTER (WHERE privilege.granted),
                    'none')
      FROM (
               SELECT object.catalog,
                      object.oid,
                      object.sub,
                      object.owner,
                      entry.grantee,
                      entry.name,
                      bool_or(entry.granted) AS granted,
                      bool_or(NOT entry.granted) AS standard,
                      bool_or(entry.granted AND entry.grantable) AS grantable
                 FROM (
                          SELECT 'pg_class' AS catalog,
                                 oid,
                                 0 AS sub,
                                 relowner AS owner,
                                 relacl AS acl,
                                 acldefault(CASE relkind WHEN 'S' THEN "char" 's' ELSE 'r' END,
                                            relowner) AS standard
                            FROM pg_class
                           WHERE relacl IS NOT NULL AND oid >= 16384
                          UNION ALL
                          SELECT 'pg_class', attrelid, attnum, relowner, attacl, NULL
                            FROM pg_attribute
                            JOIN pg_class ON pg_class.oid = attrelid
                           WHERE attacl IS NOT NULL AND attrelid >= 16384
                          UNION ALL
                          SELECT 'pg_namespace', oid, 0, nspowner, nspacl,
                                 acldefault('n', nspowner)
                            FROM pg_namespace
                           WHERE nspacl IS NOT NULL
                          UNION ALL
                          SELECT 'pg_proc', oid, 0, proowner, proacl, acldefault('f', proowner)
                            FROM pg_proc
                           WHERE proacl IS NOT NULL AND oid >= 16384
                          UNION ALL
                          SELECT 'pg_type', oid, 0, typowner, typacl, acldefault('T', typowner)
                            FROM pg_type
                           WHERE typacl IS NOT NULL AND oid >= 16384
                          UNION ALL
                          SELECT 'pg_language', oid, 0, lanowner, lanacl, acldefault('l', lanowner)
                            FROM pg_language
                           WHERE lanacl IS NOT NULL AND oid >= 16384
                          UNION ALL
                          SELECT 'pg_foreign_data_wrapper', oid, 0, fdwowner, fdwacl,
                                 acldefault('F', fdwowner)
                            FROM pg_foreign_data_wrapper
                           WHERE fdwacl IS NOT NULL
                          UNION ALL
                          SELECT 'pg_foreign_server', oid, 0, srvowner, srvacl,
                                 acldefault('S', srvowner)
                            FROM pg_foreign_server
                           WHERE srvacl IS NOT NULL
                          UNION ALL
                          SELECT 'pg_default_acl', oid, 0, defaclrole, defaclacl,
                                 CASE WHEN defaclnamespace = 0
                                      THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's'
                                                                         ELSE defaclobjtype END,
                                                      defaclrole)
                                 END
                            FROM pg_default_acl
                      ) AS object
                CROSS JOIN LATERAL (
                          SELECT grantee, privilege_type, is_grantable, true
                            FROM aclexplode(object.acl)
                          UNION ALL
                          SELECT grantee, privilege_type, is_grantable, false
                            FROM aclexplode(object.standard)
                      ) AS entry (grantee, name, grantable, granted)
                GROUP BY object.catalog, object.oid, object.sub, object.owner,
                         entry.grantee, entry.name
           ) AS privilege
     GROUP BY privilege.catalog, privilege.oid, privilege.sub, privilege.owner, privilege.grantee
    HAVING bool_or(privilege.granted <> privilege.standard OR privilege.grantable)
"""
