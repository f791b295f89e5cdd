-- What the catalogs say of the type `halfvec`.
\pset format unaligned

SELECT typname, typtype, typcategory, typispreferred, typlen, typbyval, typalign, typstorage, typdelim, typelem, typnotnull, typdefault,
       typarray::regtype, typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typcollation
FROM pg_type WHERE oid = 'halfvec'::regtype;
SELECT typname, typtype, typcategory, typlen, typalign, typstorage, typdelim, typelem::regtype, typmodin, typmodout
FROM pg_type WHERE oid = (SELECT typarray FROM pg_type WHERE oid = 'halfvec'::regtype);

-- Of functions: kind, volatility, strictness, parallel safety, leakproofness, cost, support function.
SELECT p.oid::regprocedure AS function, prorettype::regtype AS result, prokind, provolatile, proisstrict, proparallel, proleakproof,
       prosecdef, procost, proretset, prosupport, pronargdefaults, provariadic, proconfig, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p WHERE p.oid = ANY (ARRAY[
    'halfvec_in(cstring, oid, integer)', 'halfvec_out(halfvec)', 'halfvec_typmod_in(cstring[])', 'halfvec_recv(internal, oid, integer)',
    'halfvec_send(halfvec)', 'l2_distance(halfvec, halfvec)', 'inner_product(halfvec, halfvec)', 'cosine_distance(halfvec, halfvec)',
    'l1_distance(halfvec, halfvec)', 'vector_dims(halfvec)', 'l2_norm(halfvec)', 'l2_normalize(halfvec)', 'binary_quantize(halfvec)',
    'subvector(halfvec, integer, integer)', 'halfvec_add(halfvec, halfvec)', 'halfvec_sub(halfvec, halfvec)', 'halfvec_mul(halfvec, halfvec)',
    'halfvec_concat(halfvec, halfvec)', 'halfvec_lt(halfvec, halfvec)', 'halfvec_le(halfvec, halfvec)', 'halfvec_eq(halfvec, halfvec)',
    'halfvec_ne(halfvec, halfvec)', 'halfvec_ge(halfvec, halfvec)', 'halfvec_gt(halfvec, halfvec)', 'halfvec_cmp(halfvec, halfvec)',
    'halfvec_l2_squared_distance(halfvec, halfvec)', 'halfvec_negative_inner_product(halfvec, halfvec)',
    'halfvec_spherical_distance(halfvec, halfvec)', 'halfvec_accum(double precision[], halfvec)', 'halfvec_avg(double precision[])',
    'halfvec_combine(double precision[], double precision[])', 'halfvec(halfvec, integer, boolean)',
    'array_to_halfvec(integer[], integer, boolean)', 'array_to_halfvec(real[], integer, boolean)',
    'array_to_halfvec(double precision[], integer, boolean)', 'array_to_halfvec(numeric[], integer, boolean)',
    'halfvec_to_float4(halfvec, integer, boolean)', 'halfvec_to_vector(halfvec, integer, boolean)',
    'vector_to_halfvec(vector, integer, boolean)', 'avg(halfvec)', 'sum(halfvec)']::regprocedure[])
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- names clients may probe for and must not find
SELECT f, to_regprocedure(f) FROM unnest(ARRAY['vector_norm(halfvec)', 'halfvec_dims(halfvec)', 'l2_squared_distance(halfvec,halfvec)', 'halfvec_to_float8(halfvec,integer,boolean)',
    'hamming_distance(halfvec,halfvec)', 'max(halfvec)', 'min(halfvec)', 'halfvec_hash(halfvec)', 'halfvec_typmod_out(integer)']) f;

SELECT oid::regoperator AS operator, oprkind, oprcanmerge, oprcanhash, oprresult::regtype AS result, oprcom::regoperator AS commutator,
       oprnegate::regoperator AS negator, oprcode::oid::regprocedure AS function, oprrest, oprjoin
FROM pg_operator WHERE oprleft = 'halfvec'::regtype AND oprright = 'halfvec'::regtype ORDER BY oprname COLLATE "C";
SELECT oid::regoperator FROM pg_operator WHERE oprright = 'halfvec'::regtype AND oprleft <> 'halfvec'::regtype;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod FROM pg_cast
WHERE 'halfvec'::regtype IN (castsource, casttarget) AND 'sparsevec'::regtype NOT IN (castsource, casttarget)
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

SELECT aggfnoid::oid::regprocedure AS aggregate, aggkind, aggnumdirectargs, aggtransfn::oid::regprocedure AS transition, aggfinalfn::oid::regprocedure AS final, aggcombinefn::oid::regprocedure AS combine,
       aggserialfn, aggdeserialfn, aggmtransfn, aggfinalextra, aggfinalmodify, aggsortop, aggtranstype::regtype AS state, aggtransspace, agginitval
FROM pg_aggregate WHERE aggfnoid IN ('avg(halfvec)'::regprocedure, 'sum(halfvec)'::regprocedure) ORDER BY 1;

SELECT amname, opcname, opfname, opcintype::regtype AS input, opcdefault, opckeytype
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_opfamily f ON f.oid = opcfamily WHERE amname = 'btree' AND opcname = 'halfvec_ops';
SELECT amopstrategy, amoppurpose, amopopr::regoperator AS operator, amopsortfamily
FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'halfvec_ops' ORDER BY amopstrategy;
SELECT amprocnum, amproc::oid::regprocedure AS function, amproclefttype::regtype AS lefttype, amprocrighttype::regtype AS righttype
FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'halfvec_ops' ORDER BY amprocnum;

-- comments
SELECT obj_description('halfvec'::regtype, 'pg_type') AS type;
SELECT oid::regoperator AS operator, obj_description(oid, 'pg_operator') AS comment FROM pg_operator
WHERE oprleft = 'halfvec'::regtype AND oprright = 'halfvec'::regtype ORDER BY oprname COLLATE "C";
SELECT obj_description(c.oid, 'pg_opclass') AS class, obj_description(f.oid, 'pg_opfamily') AS family
FROM pg_opclass c JOIN pg_opfamily f ON f.oid = opcfamily JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'btree' AND opcname = 'halfvec_ops';
