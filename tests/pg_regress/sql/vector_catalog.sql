-- What the catalogs say of the type `vector`. Objects are named one by one, so that other types
-- of the same extension do not show.
\pset format unaligned

SELECT typname, typtype, typcategory, typispreferred, typlen, typbyval, typalign, typstorage, typdelim, typelem, typnotnull, typdefault,
       typarray::regtype, typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typcollation
FROM pg_type WHERE oid = 'vector'::regtype;
SELECT typname, typtype, typcategory, typlen, typalign, typstorage, typdelim, typelem::regtype, typmodin, typmodout
FROM pg_type WHERE oid = (SELECT typarray FROM pg_type WHERE oid = 'vector'::regtype);

-- Of functions: kind, volatility, strictness, parallel safety, leakproofness, cost, support function.
SELECT p.oid::regprocedure AS function, prorettype::regtype AS result, prokind, provolatile, proisstrict, proparallel, proleakproof,
       prosecdef, procost, proretset, prosupport, pronargdefaults, provariadic, proconfig, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p WHERE p.oid = ANY (ARRAY[
    'vector_in(cstring, oid, integer)', 'vector_out(vector)', 'vector_typmod_in(cstring[])', 'vector_recv(internal, oid, integer)',
    'vector_send(vector)', 'l2_distance(vector, vector)', 'inner_product(vector, vector)', 'cosine_distance(vector, vector)',
    'l1_distance(vector, vector)', 'vector_dims(vector)', 'vector_norm(vector)', 'l2_normalize(vector)', 'binary_quantize(vector)',
    'subvector(vector, integer, integer)', 'vector_add(vector, vector)', 'vector_sub(vector, vector)', 'vector_mul(vector, vector)',
    'vector_concat(vector, vector)', 'vector_lt(vector, vector)', 'vector_le(vector, vector)', 'vector_eq(vector, vector)',
    'vector_ne(vector, vector)', 'vector_ge(vector, vector)', 'vector_gt(vector, vector)', 'vector_cmp(vector, vector)',
    'vector_l2_squared_distance(vector, vector)', 'vector_negative_inner_product(vector, vector)',
    'vector_spherical_distance(vector, vector)', 'vector_accum(double precision[], vector)', 'vector_avg(double precision[])',
    'vector_combine(double precision[], double precision[])', 'vector(vector, integer, boolean)',
    'array_to_vector(integer[], integer, boolean)', 'array_to_vector(real[], integer, boolean)',
    'array_to_vector(double precision[], integer, boolean)', 'array_to_vector(numeric[], integer, boolean)',
    'vector_to_float4(vector, integer, boolean)', 'avg(vector)', 'sum(vector)']::regprocedure[])
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- names clients may probe for and must not find
SELECT f, to_regprocedure(f) FROM unnest(ARRAY['l2_norm(vector)', 'l2_squared_distance(vector,vector)', 'vector_to_float8(vector,integer,boolean)',
    'hamming_distance(vector,vector)', 'max(vector)', 'min(vector)', 'vector_hash(vector)', 'vector_typmod_out(integer)']) f;

SELECT oid::regoperator AS operator, oprkind, oprcanmerge, oprcanhash, oprresult::regtype AS result, oprcom::regoperator AS commutator,
       oprnegate::regoperator AS negator, oprcode::oid::regprocedure AS function, oprrest, oprjoin
FROM pg_operator WHERE oprleft = 'vector'::regtype AND oprright = 'vector'::regtype ORDER BY oprname COLLATE "C";
SELECT oid::regoperator FROM pg_operator WHERE oprright = 'vector'::regtype AND oprleft <> 'vector'::regtype;

SELECT castsource::regtype AS source, casttarget::regtype AS target, castfunc::regprocedure AS function, castcontext, castmethod FROM pg_cast
WHERE castsource = 'vector'::regtype AND casttarget::regtype::text NOT IN ('halfvec', 'sparsevec')
   OR casttarget = 'vector'::regtype AND castsource::regtype::text NOT IN ('halfvec', 'sparsevec', 'vector')
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

SELECT aggfnoid::oid::regprocedure AS aggregate, aggkind, aggnumdirectargs, aggtransfn::oid::regprocedure AS transition, aggfinalfn::oid::regprocedure AS final, aggcombinefn::oid::regprocedure AS combine,
       aggserialfn, aggdeserialfn, aggmtransfn, aggfinalextra, aggfinalmodify, aggsortop, aggtranstype::regtype AS state, aggtransspace, agginitval
FROM pg_aggregate WHERE aggfnoid IN ('avg(vector)'::regprocedure, 'sum(vector)'::regprocedure) ORDER BY 1;

SELECT amname, opcname, opfname, opcintype::regtype AS input, opcdefault, opckeytype
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod JOIN pg_opfamily f ON f.oid = opcfamily WHERE amname = 'btree' AND opcname = 'vector_ops';
SELECT amopstrategy, amoppurpose, amopopr::regoperator AS operator, amopsortfamily
FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'vector_ops' ORDER BY amopstrategy;
SELECT amprocnum, amproc::oid::regprocedure AS function, amproclefttype::regtype AS lefttype, amprocrighttype::regtype AS righttype
FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily JOIN pg_am a ON a.oid = opfmethod WHERE amname = 'btree' AND opfname = 'vector_ops' ORDER BY amprocnum;

-- comments
SELECT obj_description('vector'::regtype, 'pg_type') AS type;
SELECT oid::regoperator AS operator, obj_description(oid, 'pg_operator') AS comment FROM pg_operator
WHERE oprleft = 'vector'::regtype AND oprright = 'vector'::regtype ORDER BY oprname COLLATE "C";
SELECT obj_description(c.oid, 'pg_opclass') AS class, obj_description(f.oid, 'pg_opfamily') AS family
FROM pg_opclass c JOIN pg_opfamily f ON f.oid = opcfamily JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'btree' AND opcname = 'vector_ops';
