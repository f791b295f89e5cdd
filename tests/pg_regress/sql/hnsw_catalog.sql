-- What the catalogs say of the access method hnsw and of vector's classes in it.
\pset format unaligned
\pset fieldsep ' | '

SELECT amname, amhandler::oid::regprocedure, amtype, obj_description(oid, 'pg_am') FROM pg_am WHERE amname = 'hnsw';
SELECT p.oid::regprocedure AS function, prorettype::regtype AS result, provolatile, proisstrict, proparallel, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p WHERE p.oid = 'hnswhandler(internal)'::regprocedure;

SELECT opcname, opfname, opcintype::regtype AS input, opcdefault, opckeytype, amvalidate(c.oid) AS valid,
       obj_description(c.oid, 'pg_opclass') AS class_comment, obj_description(f.oid, 'pg_opfamily') AS family_comment
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_opfamily f ON f.oid = opcfamily
WHERE amname = 'hnsw' AND opcintype = ANY ('{vector,halfvec,bit,sparsevec}'::regtype[]) ORDER BY opcname COLLATE "C";
SELECT f.opfname, amopstrategy, amoppurpose, amopopr::regoperator AS operator, amoplefttype::regtype AS lefttype, amoprighttype::regtype AS righttype,
       s.opfname AS sort_family, sa.amname AS sort_method
FROM pg_amop o JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = f.opfmethod
LEFT JOIN pg_opfamily s ON s.oid = amopsortfamily LEFT JOIN pg_am sa ON sa.oid = s.opfmethod
WHERE a.amname = 'hnsw' AND amoplefttype = ANY ('{vector,halfvec,bit,sparsevec}'::regtype[]) ORDER BY f.opfname COLLATE "C";
SELECT opfname, amprocnum, amproc::oid::regprocedure AS function, amproclefttype::regtype AS lefttype, amprocrighttype::regtype AS righttype
FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily JOIN pg_am a ON a.oid = opfmethod
WHERE amname = 'hnsw' AND amproclefttype = ANY ('{vector,halfvec,bit,sparsevec}'::regtype[]) ORDER BY opfname COLLATE "C", amprocnum;
-- No type has a default class: the metric is always chosen.
SELECT count(*) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw' AND opcdefault;

CREATE TABLE described (v vector(3));
CREATE INDEX described_hnsw ON described USING hnsw (v vector_cosine_ops) WITH (m = 16, ef_construction = 64);
CREATE INDEX ON described USING hnsw (v vector_l2_ops);
SELECT property, pg_indexam_has_property(a.oid, property) AS method, pg_index_has_property('described_hnsw'::regclass, property) AS index,
       pg_index_column_has_property('described_hnsw'::regclass, 1, property) AS "column"
FROM pg_am a, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include',
    'clusterable', 'index_scan', 'bitmap_scan', 'backward_scan',
    'asc', 'desc', 'nulls_first', 'nulls_last', 'orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls']) property
WHERE amname = 'hnsw';
SELECT indexdef FROM pg_indexes WHERE tablename = 'described' ORDER BY indexname COLLATE "C";
SELECT i.relname, a.amname, i.relkind, i.reloptions, o.opcname, att.attname, format_type(att.atttypid, att.atttypmod), x.indoption
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am a ON a.oid = i.relam JOIN pg_opclass o ON o.oid = x.indclass[0]
JOIN pg_attribute att ON att.attrelid = i.oid WHERE x.indrelid = 'described'::regclass ORDER BY i.relname COLLATE "C";
-- The objects are the extension's.
SELECT object FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid, pg_describe_object(classid, objid, 0) object
WHERE deptype = 'e' AND extname IN ('vector', 'quartzdb') AND object ~ '^access method hnsw|^operator (class|family) .*hnsw|function hnsw(handler|_[a-z]*_support)' ORDER BY object COLLATE "C";
-- Schema and class by name, as tools write them.
SET search_path = pg_catalog;
SELECT pg_get_indexdef('public.described_hnsw'::regclass);
CREATE INDEX qualified ON public.described USING hnsw (v public.vector_ip_ops) WITH (m='16', ef_construction='64');
RESET search_path;
DROP TABLE described;
