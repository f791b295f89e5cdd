-- What the catalogs say of the distances of bit strings.
\pset format unaligned

SELECT p.oid::regprocedure AS function, prorettype::regtype AS result, prokind, provolatile, proisstrict, proparallel, proleakproof,
       prosecdef, procost, proretset, prosupport, pronargdefaults, provariadic, proconfig, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p WHERE p.oid IN ('hamming_distance(bit, bit)'::regprocedure, 'jaccard_distance(bit, bit)'::regprocedure)
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT oid::regoperator AS operator, oprkind, oprcanmerge, oprcanhash, oprresult::regtype AS result, oprcom::regoperator AS commutator,
       oprnegate::regoperator AS negator, oprcode::oid::regprocedure AS function, oprrest, oprjoin, obj_description(oid, 'pg_operator') AS comment
FROM pg_operator WHERE oprname IN ('<~>', '<%>') ORDER BY oprname COLLATE "C";
