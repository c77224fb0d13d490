"""The query for what is rarely seen: all that makes up such an object is one fact, `definition`.

Kinds and names are in Postgres' own words. What not every version has as a column goes by way of
jsonb. The options of foreign servers may be secrets, and so only their names are told.
"""

from __future__ import annotations

RARE = """
    SELECT identity.type AS kind,
           object.catalog,
           object.oid,
           nullif(object.part_of, 0) AS part_of,
           replace(identity.identity, ' on language ', ' language ') AS name,
           object.owner::regrole AS owner,
           nullif(object.definition, '') AS definition
      FROM (
               SELECT 'pg_operator' AS catalog,
                      oid,
                      0::oid AS part_of,
                      oprowner AS owner,
                      concat_ws(' ', oprresult::regtype, oprcode,
                                'commutator ' || nullif(oprcom, 0)::regoperator,
                                'negator ' || nullif(oprnegate, 0)::regoperator,
                                oprrest, oprjoin, oprcanhash, oprcanmerge) AS definition
                 FROM pg_operator
               UNION ALL
               SELECT 'pg_opfamily', family.oid, 0, opfowner,
                      concat_ws(', ',
                          (SELECT string_agg(concat_ws(' ', amopstrategy, amopopr::regoperator,
                                                       'sorts by ' || sort.identity),
                                             ', ' ORDER BY amopstrategy,
                                                           amopopr::regoperator::text COLLATE "C")
                             FROM pg_amop
                            CROSS JOIN LATERAL pg_identify_object('pg_opfamily'::regclass,
                                                                  amopsortfamily, 0) AS sort
                            WHERE amopfamily = family.oid),
                          (SELECT string_agg(concat_ws(' ', amprocnum, amproclefttype::regtype,
                                                       amprocrighttype::regtype,
                                                       amproc::regprocedure),
                                             ', ' ORDER BY amprocnum,
                                                           amproc::regprocedure::text COLLATE "C")
                             FROM pg_amproc
                            WHERE amprocfamily = family.oid))
                 FROM pg_opfamily AS family
               UNION ALL
               SELECT 'pg_opclass', class.oid, 0, opcowner,
                      concat_ws(' ', opcintype::regtype, nullif(opckeytype, 0)::regtype,
                                'of', opfnamespace::regnamespace, quote_ident(opfname),
                                CASE WHEN opcdefault THEN 'default' END)
                 FROM pg_opclass AS class
                 JOIN pg_opfamily AS family ON family.oid = opcfamily
               UNION ALL
               SELECT 'pg_cast', oid, 0, NULL,
                      concat_ws(' ', nullif(castfunc, 0)::regprocedure, castmethod, castcontext)
                 FROM pg_cast
               UNION ALL
               SELECT 'pg_collation', oid, 0, collowner,
                      concat_ws(' ', collprovider, collcollate, collctype,
                                to_jsonb(pg_collation) ->> 'colliculocale',
                                to_jsonb(pg_collation) ->> 'colllocale',
                                to_jsonb(pg_collation) ->> 'collicurules',
                                CASE WHEN NOT collisdeterministic THEN 'not deterministic' END)
                 FROM pg_collation
               UNION ALL
               SELECT 'pg_conversion', oid, 0, conowner,
                      concat_ws(' ', pg_encoding_to_char(conforencoding),
                                pg_encoding_to_char(contoencoding), conproc,
                                CASE WHEN condefault THEN 'default' END)
                 FROM pg_conversion
               UNION ALL
               SELECT 'pg_transform', oid, 0, NULL, concat_ws(' ', trffromsql, trftosql)
                 FROM pg_transform
               UNION ALL
               SELECT 'pg_am', oid, 0, NULL, concat_ws(' ', amtype, amhandler)
                 FROM pg_am
               UNION ALL
               SELECT 'pg_language', oid, 0, lanowner,
                      concat_ws(' ', lanplcallfoid::regproc, laninline::regproc,
                                lanvalidator::regproc, CASE WHEN lanpltrusted THEN 'trusted' END)
                 FROM pg_language
               UNION ALL
               SELECT 'pg_ts_parser', oid, 0, NULL,
                      concat_ws(' ', prsstart, prstoken, prsend, prsheadline, prslextype)
                 FROM pg_ts_parser
               UNION ALL
               SELECT 'pg_ts_template', oid, 0, NULL, concat_ws(' ', tmplinit, tmpllexize)
                 FROM pg_ts_template
               UNION ALL
               SELECT 'pg_ts_dict', dictionary.oid, 0, dictowner,
                      concat_ws(' ', tmplnamespace::regnamespace, quote_ident(tmplname),
                                dictinitoption)
                 FROM pg_ts_dict AS dictionary
                 JOIN pg_ts_template AS template ON template.oid = dicttemplate
               UNION ALL
               SELECT 'pg_ts_config', config.oid, 0, cfgowner,
                      concat_ws(' ', prsnamespace::regnamespace, quote_ident(prsname),
                          (SELECT string_agg(concat_ws(' ', alias, mapdict::regdictionary),
                                             ', ' ORDER BY maptokentype, mapseqno)
                             FROM pg_ts_config_map
                             JOIN ts_token_type(cfgparser) ON tokid = maptokentype
                            WHERE mapcfg = config.oid))
                 FROM pg_ts_config AS config
                 JOIN pg_ts_parser AS parser ON parser.oid = cfgparser
               UNION ALL
               SELECT 'pg_foreign_data_wrapper', oid, 0, fdwowner,
                      concat_ws(' ', fdwhandler::regproc, fdwvalidator::regproc,
                          (SELECT string_agg(quote_ident(option_name), ' '
                                             ORDER BY option_name COLLATE "C")
                             FROM pg_options_to_table(fdwoptions)))
                 FROM pg_foreign_data_wrapper
               UNION ALL
               SELECT 'pg_foreign_server', server.oid, 0, srvowner,
                      concat_ws(' ', quote_ident(fdwname), quote_nullable(srvtype),
                                quote_nullable(srvversion),
                          (SELECT string_agg(quote_ident(option_name), ' '
                                             ORDER BY option_name COLLATE "C")
                             FROM pg_options_to_table(srvoptions)))
                 FROM pg_foreign_server AS server
                 JOIN pg_foreign_data_wrapper AS wrapper ON wrapper.oid = srvfdw
               UNION ALL
               SELECT 'pg_user_mapping', umid, 0, NULL, NULL
                 FROM pg_user_mappings
               UNION ALL
               SELECT 'pg_publication_rel', oid, prrelid, NULL,
                      concat_ws(' where ',
                          (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname)
                             FROM pg_attribute
                            WHERE attrelid = prrelid AND attnum = ANY (prattrs)),
                          pg_get_expr(prqual, prrelid))
                 FROM pg_publication_rel
               UNION ALL
               SELECT 'pg_publication_namespace', oid, 0, NULL, NULL
                 FROM pg_publication_namespace
               UNION ALL
               SELECT 'pg_event_trigger', oid, 0, evtowner,
                      concat_ws(' ', evtevent, array_to_string(evttags, ', '), evtfoid::regproc,
                                CASE evtenabled
                                    WHEN 'D' THEN 'disabled'
                                    WHEN 'R' THEN 'on replicas'
                                    WHEN 'A' THEN 'always'
                                END)
                 FROM pg_event_trigger
               UNION ALL
               SELECT 'pg_default_acl', oid, 0, defaclrole, NULL
                 FROM pg_default_acl
           ) AS object
     CROSS JOIN LATERAL pg_identify_object(object.catalog::regclass, object.oid, 0) AS identity
     WHERE object.oid >= 16384
       AND coalesce(identity.schema, '') !~ '^pg_'
       AND (object.oid, object.catalog::regclass) NOT IN (SELECT objid, classid FROM brought)
"""
