-- What the catalogs say of the type `sparsevec`.
\pset format unaligned

SELECT typname, typtype, typcategory, typispreferred, typlen, typbyval, typalign, typstorage, typdelim, typelem, typnotnull, typdefault,
       typarray::regtype, typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typcollation
FROM pg_type WHERE oid = 'sparsevec'::regtype;
SELECT typname, typtype, typcategory, typlen, typalign, typstorage, typdelim, typelem::regtype, typmodin, typmodout
FROM pg_type WHERE oid = (SELECT typarray FROM pg_type WHERE oid = 'sparsevec'::regtype);

-- Of functions: kind, volatility, strictness, parallel safety, leakproofness, cost, support function.
SELECT p.oid::regprocedure AS function, prorettype::regtype AS result, prokind, provolatile, proisstrict, proparallel, proleakproof,
       prosecdef, procost, proretset, prosupport, pronargdefaults, provariadic, proconfig, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p WHERE p.oid = ANY (ARRAY[
    'sparsevec_in(cstring, oid, integer)', 'sparsevec_out(sparsevec)', 'sparsevec_typmod_in(cstring[])', 'sparsevec_recv(internal, oid, integer)',
    'sparsevec_send(sparsevec)', 'l2_distance(sparsevec, sparsevec)', 'inner_product(sparsevec, sparsevec)', 'cosine_distance(sparsevec, sparsevec)',
    'l1_distance(sparsevec, sparsevec)', 'l2_norm(sparsevec)', 'l2_normalize(sparsevec)', 'sparsevec_lt(sparsevec, sparsevec)',
    'sparsevec_le(sparsevec, sparsevec)', 'sparsevec_eq(sparsevec, sparsevec)', 'sparsevec_ne(sparsevec, sparsevec)',
    'sparsevec_ge(sparsevec, sparsevec)', 'sparsevec_gt(sparsevec, sparsevec)', 'sparsevec_cmp(sparsevec, sparsevec)',
    'sparsevec_l2_squared_distance(sparsevec, sparsevec)', 'sparsevec_negative_inner_product(sparsevec, sparsevec)',
    'sparsevec(sparsevec, integer, boolean)', 'vector_to_sparsevec(vector, integer, boolean)', 'sparsevec_to_vector(sparsevec, integer, boolean)',
    'halfvec_to_sparsevec(halfvec, integer, boolean)', 'sparsevec_to_halfvec(sparsevec, integer, boolean)',
    'array_to_sparsevec(integer[], integer, boolean)', 'array_to_sparsevec(real[], integer, boolean)',
    'array_to_sparsevec(double precision[], integer, boolean)', 'array_to_sparsevec(numeric[], integer, boolean)']::regprocedure[])
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- names clients may probe for and must not find
SELECT f, to_regprocedure(f) FROM unnest(ARRAY['vector_dims(sparsevec)', 'vector_norm(sparsevec)', 'binary_quantize(sparsevec)',
    'subvector(sparsevec,integer,integer)', 'sparsevec_add(sparsevec,sparsevec)', 'sparsevec_concat(sparsevec,sparsevec)',
    'sparsevec_spherical_distance(sparsevec,sparsevec)', 'sparsevec_to_float4(sparsevec,integer,boolean)', 'avg(sparsevec)', 'sum(sparsevec)']) f;

SELECT oid::regoperator AS operator, oprkind, oprcanmerge, oprcanhash, oprresult::regtype AS result, oprcom::regoperator AS commutator,
       oprnegate::regoperator AS negator, oprcode::oid::regprocedure AS function, oprrest, oprjoin
FROM pg_operator WHERE oprleft = 'sparsevec'::regtype AND oprright = 'sparsevec'::regtype ORDER BY oprname COLLATE "C";
SELECT oid::regoperator FROM pg_operator WHERE oprright = 'sparsevec'::regtype AND oprleft <> 'sparsevec'::regtype;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod FROM pg_cast
WHERE 'sparsevec'::regtype IN (castsource, casttarget)
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

SELECT amname, opcname, opfname, opcintype::regtype AS input, opcdefault, opckeytype
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_opfamily f ON f.oid = opcfamily WHERE amname = 'btree' AND opcname = 'sparsevec_ops';
SELECT amopstrategy, amoppurpose, amopopr::regoperator AS operator, amopsortfamily
FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'sparsevec_ops' ORDER BY amopstrategy;
SELECT amprocnum, amproc::oid::regprocedure AS function, amproclefttype::regtype AS lefttype, amprocrighttype::regtype AS righttype
FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'sparsevec_ops' ORDER BY amprocnum;

-- comments
SELECT obj_description('sparsevec'::regtype, 'pg_type') AS type;
SELECT oid::regoperator AS operator, obj_description(oid, 'pg_operator') AS comment FROM pg_operator
WHERE oprleft = 'sparsevec'::regtype AND oprright = 'sparsevec'::regtype ORDER BY oprname COLLATE "C";
SELECT obj_description(c.oid, 'pg_opclass') AS class, obj_description(f.oid, 'pg_opfamily') AS family
FROM pg_opclass c JOIN pg_opfamily f ON f.oid = opcfamily JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'btree' AND opcname = 'sparsevec_ops';
