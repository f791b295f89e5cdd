//! The extension quartzdb_pgvector, in databases with pgvector: `cargo xtask test --only beside`.
//!
//! Tests of other modules run there too, with the access method `quartz` and so with pgvector's types and operators.

use crate::harness::*;
use crate::order;
use anyhow::{Context, ensure};
use postgres::Client;
use postgres::error::SqlState;

const NOT_READY: &SqlState = &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;

/// The classes with their operator, a column of their type with ten dimensions (or 52 bits), and what it is made of: `p`,
/// a vector of ten.
fn classes() -> impl Iterator<Item = (String, &'static str, &'static str, &'static str)> {
    type Metrics = &'static [(&'static str, &'static str)];
    const DENSE: Metrics = &[("l2", "<->"), ("ip", "<#>"), ("cosine", "<=>"), ("l1", "<+>")];
    const BITS: Metrics = &[("hamming", "<~>"), ("jaccard", "<%>")];
    const TYPES: [(&str, &str, &str, Metrics); 4] = [
        ("vector", "vector(10)", "p", DENSE),
        ("halfvec", "halfvec(10)", "p", DENSE),
        ("sparsevec", "sparsevec(10)", "p", DENSE),
        ("bit", "bit(52)", "substring(('x' || md5(p::text))::bit(128), 1, 52)", BITS),
    ];
    TYPES.into_iter().flat_map(|(name, column, value, metrics)| {
        metrics
            .iter()
            .map(move |(metric, operator)| (format!("{name}_{metric}_ops"), *operator, column, value))
    })
}

fn plan(client: &mut Client, query: &str) -> Result<String> {
    let lines = client.query(&format!("EXPLAIN {query}"), &[])?;
    Ok(lines.iter().map(|line| line.get::<_, String>(0) + "\n").collect())
}

/// The ids and distances that a query brings, which must be by this index.
fn by_this_index(client: &mut Client, index: &str, query: &str) -> Result<Nearest> {
    let plan = plan(client, query)?;
    ensure!(plan.contains(&format!("Index Scan using {index} ")), "{query} is not by {index}: {plan}");
    nearest(client, query)
}

/// The same query, answered by looking at all rows.
fn without_index(query: &str) -> String {
    let (head, tail) = query.split_once("ORDER BY ").unwrap_or((query, ""));
    let (by, limit) = tail.split_once(" LIMIT ").unwrap_or((tail, "ALL"));
    format!("{head} ORDER BY ({by}) + 0 LIMIT {limit}")
}

fn nearest(client: &mut Client, query: &str) -> Result<Nearest> {
    let rows = client.query(query, &[])?;
    let ids = rows.iter().map(|row| row.get(0)).collect();
    Ok(Nearest { ids, distances: rows.iter().map(|row| row.get(1)).collect() })
}

/// Vectors of ten in the table `points`, the first ones to be asked for.
fn create_points(client: &mut Client, rows: usize) -> Result {
    // By one thread, so that indexes are the same every time.
    set(client, "max_parallel_maintenance_workers", 0)?;
    create_table(client, "points", &Random::new(31).vectors(rows, 10))?;
    client.batch_execute("ALTER TABLE points RENAME v TO p")?;
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn each_class_brings_what_a_scan_of_the_table_does() -> Result {
    let database = Database::new("beside_classes")?;
    let mut client = database.client()?;
    create_points(&mut client, 1000)?;
    set(&mut client, "hnsw.ef_search", 400)?;
    let mut count = 0;
    for (class, operator, column, value) in classes() {
        client.batch_execute(&format!(
            "CREATE TABLE rows AS SELECT id, ({value})::{column} AS v FROM points;
             CREATE INDEX rows_quartz ON rows USING quartz (v {class}) WITH (m = 20, ef_construction = 100);
             ANALYZE rows"
        ))?;
        for id in 0..20 {
            let by = format!("v {operator} (SELECT v FROM rows WHERE id = {id})");
            let query = format!("SELECT id, {by} FROM rows ORDER BY {by} LIMIT 40");
            let found = by_this_index(&mut client, "rows_quartz", &query)?;
            let truth = nearest(&mut client, &without_index(&query))?;
            ensure!(found.distances == truth.distances, "{class}, {id}: {:?}", found.distances);
        }
        check_index(&mut client, "rows_quartz")?;
        client.batch_execute("DROP TABLE rows")?;
        count += 1;
    }
    ensure!(count == 14);
    Ok(())
}

/// Every class of pgvector's hnsw is one of quartz's, under its name and for its type.
#[test]
#[ignore = "needs pgvector"]
fn quartz_has_the_classes_of_hnsw() -> Result {
    let database = Database::new("beside_catalog")?;
    let mut client = database.client()?;
    let of = |method: &str| {
        format!(
            "SELECT opcname, opcintype, amopopr, opcdefault FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
             JOIN pg_amop ON amopfamily = opcfamily WHERE amname = '{method}'"
        )
    };
    let (hnsw, quartz) = (of("hnsw"), of("quartz"));
    let differing =
        client.query(&format!("({hnsw} EXCEPT {quartz}) UNION ALL ({quartz} EXCEPT {hnsw})"), &[])?;
    ensure!(differing.is_empty(), "{:?}", differing[0].get::<_, String>(0));
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn no_value_of_16_000_dimensions_brings_rows_into_disorder() -> Result {
    let database = Database::new("beside_wide")?;
    let mut client = database.client()?;
    order::examine_hostile(&mut client, &mut Random::new(32), 16_000, 40, 5)?.result()?;
    Ok(())
}

/// Rows with the same elements in other places are all as far from a query of equal elements, but for the rounding of sums, which is
/// pgvector's and differs from ours. That is the order asked for.
#[test]
#[ignore = "needs pgvector"]
fn rows_come_in_the_order_of_pgvectors_rounding() -> Result {
    let database = Database::new("beside_rounding")?;
    let mut client = database.client()?;
    let mut random = Random::new(33);
    set(&mut client, "hnsw.ef_search", 400)?;
    for (dimensions, rows, kinds) in [
        (7, 300, ["vector", "halfvec", "sparsevec"].as_slice()),
        (900, 300, &["vector", "halfvec", "sparsevec"]),
        (16_000, 40, &["vector", "halfvec"]),
    ] {
        let elements = random.vector(dimensions);
        let mut permuted = |_| {
            let mut elements = elements.clone();
            random.shuffle(&mut elements.0);
            elements
        };
        create_table(&mut client, "permuted", &(0..rows).map(&mut permuted).collect::<Vec<_>>())?;
        for kind in kinds {
            client.batch_execute(&format!(
                "CREATE TABLE rows AS SELECT id, v::{kind}({dimensions}) AS v FROM permuted"
            ))?;
            for (operator, class) in METRICS {
                let class = class.replace("vector", kind);
                client
                    .batch_execute(&format!("CREATE INDEX rows_quartz ON rows USING quartz (v {class})"))?;
                let centre = format!("array_fill(0.7::real, ARRAY[{dimensions}])::vector({dimensions})");
                let by = format!("v {operator} (SELECT {centre}::{kind}({dimensions}))");
                let query = format!("SELECT id, {by} FROM rows ORDER BY {by}");
                let found = by_this_index(&mut client, "rows_quartz", &query)?;
                let what = format!("{class}, {dimensions} dimensions");
                found.check().context(what.clone())?;
                ensure!(found.ids.len() * 2 > rows, "{what}: {} rows", found.ids.len());
                let truth = nearest(&mut client, &without_index(&query))?;
                for (id, distance) in found.ids.iter().zip(&found.distances) {
                    let at = truth.ids.iter().position(|other| other == id).map(|at| truth.distances[at]);
                    ensure!(at == Some(*distance), "{what}: row {id} came at {distance}, but is at {at:?}");
                }
                client.batch_execute("DROP INDEX rows_quartz")?;
            }
            client.batch_execute("DROP TABLE rows")?;
        }
        client.batch_execute("DROP TABLE permuted")?;
    }
    Ok(())
}

/// Settings of both, in a session that has just loaded the libraries.
fn examine_settings(client: &mut Client) -> Result {
    client.batch_execute(
        "SET hnsw.ef_search = 30; SET quartz.ef_search = 7; SET quartz.iterative_scan = 'off'; SET quartz.max_scan_tuples = 100; SET quartz.scan_mem_multiplier = 2",
    )?;
    let count_of = |client: &mut Client, index: &str| -> Result<usize> {
        let query = "SELECT id, v <-> '[0.5,0.5,0.5]' FROM both_indexed ORDER BY v <-> '[0.5,0.5,0.5]'";
        let other = if index == "by_quartz" { "by_hnsw" } else { "by_quartz" };
        client.batch_execute(&format!("BEGIN; DROP INDEX {other}"))?;
        let found = by_this_index(client, index, query)?;
        client.batch_execute("ROLLBACK")?;
        found.check()?;
        Ok(found.ids.len())
    };
    ensure!(count_of(client, "by_quartz")? == 7, "quartz.ef_search counts for quartz");
    set(client, "quartz.iterative_scan", "strict_order")?;
    ensure!(count_of(client, "by_quartz")? > 30, "quartz.iterative_scan counts for quartz");
    // pgvector's own setting, which is there since 0.8.0, is what it was.
    ensure!(count_of(client, "by_hnsw")? == 30, "hnsw.ef_search counts for hnsw");
    for (setting, message) in [
        (
            "quartz.ef_search = 0",
            "0 is outside the valid range for parameter \"quartz.ef_search\" (1 .. 1000)",
        ),
        ("quartz.iterative_scan = on", "invalid value for parameter \"quartz.iterative_scan\": \"on\""),
    ] {
        let error = client.batch_execute(&format!("SET {setting}")).err().context("it was accepted")?;
        ensure!(error.as_db_error().is_some_and(|error| error.message() == message), "{error:?}");
    }
    Ok(())
}

fn create_both_indexed(client: &mut Client) -> Result {
    create_table(client, "both_indexed", &Random::new(34).vectors(500, 3))?;
    client.batch_execute(
        "CREATE INDEX by_hnsw ON both_indexed USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
         CREATE INDEX by_quartz ON both_indexed USING quartz (v vector_l2_ops) WITH (m = 10, ef_construction = 48)",
    )?;
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn both_libraries_live_in_a_session_whichever_comes_first() -> Result {
    let database = Database::new("beside_sessions")?;
    create_both_indexed(&mut database.client()?)?;
    for [first, second] in [["vector", "quartzdb_pgvector"], ["quartzdb_pgvector", "vector"]] {
        let mut client = database.client()?;
        client.batch_execute(&format!("LOAD '{first}'; LOAD '{second}'"))?;
        examine_settings(&mut client).with_context(|| format!("{first} came first"))?;
    }
    // What is set before either is loaded holds, and what neither has is refused once ours is.
    let mut client = database.client()?;
    client.batch_execute("SET quartz.ef_search = 7; LOAD 'quartzdb_pgvector'")?;
    let shown: String = client.query_one("SHOW quartz.ef_search", &[])?.get(0);
    ensure!(shown == "7");
    expect_error(client.batch_execute("SET quartz.probes = 1"), &SqlState::INVALID_NAME)?;
    let others = "SELECT count(*) FROM pg_settings WHERE name LIKE 'hnsw.%' OR name LIKE 'ivfflat.%'";
    ensure!(count(&mut client, others)? == 0, "the library defined settings of pgvector's");
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn libraries_may_be_preloaded_in_any_order() -> Result {
    for libraries in ["vector,quartzdb_pgvector", "quartzdb_pgvector,vector"] {
        let plan = Server::plan("beside-preload").without_fsync();
        let server = Server::start(&plan.setting("shared_preload_libraries", libraries))?;
        server.create_database("preloaded")?;
        let mut client = server.client("preloaded")?;
        create_both_indexed(&mut client)?;
        examine_settings(&mut client).context(libraries)?;
        server.check_log()?;
    }
    // Both copies of our library. Each must call and compare with functions of its own.
    for libraries in ["quartzdb,quartzdb_pgvector", "quartzdb_pgvector,quartzdb"] {
        let plan = Server::plan("beside-twice").without_fsync();
        let server = Server::start(&plan.setting("shared_preload_libraries", libraries))?;
        server.cluster.create_database("own")?;
        let mut client = server.client("own")?;
        client.batch_execute("CREATE EXTENSION quartzdb")?;
        create_table(&mut client, "points", &Random::new(35).vectors(300, 3))?;
        client.batch_execute(
            "CREATE INDEX points_hnsw ON points USING hnsw (v vector_cosine_ops) WITH (m = 5)",
        )?;
        client.batch_execute("SET hnsw.ef_search = 11; SET quartz.ef_search = 9")?;
        let query = "SELECT id, v <=> '[1,2,3]' FROM points ORDER BY v <=> '[1,2,3]'";
        let found = by_this_index(&mut client, "points_hnsw", query).context(libraries)?;
        ensure!(found.ids.len() == 11, "{libraries}: {}", found.ids.len());
        check_index(&mut client, "points_hnsw")?;
        server.check_log()?;
    }
    Ok(())
}

/// PostgreSQL lets libraries see each other's symbols, and the one that came first is asked first.
#[test]
#[ignore = "needs pgvector"]
fn each_copy_of_the_library_knows_its_own_functions() -> Result {
    let database = Database::new("beside_copies")?;
    // Of bit no library of pgvector's is needed to build an index, so it may be missing here: it would not come after quartzdb.
    database
        .client()?
        .batch_execute("CREATE TABLE bits AS SELECT i::bit(8) AS b FROM generate_series(0, 255) i")?;
    for [first, second] in [["quartzdb", "quartzdb_pgvector"], ["quartzdb_pgvector", "quartzdb"]] {
        let mut client = database.client()?;
        client.batch_execute(&format!("LOAD '{first}'; LOAD '{second}'"))?;
        client
            .batch_execute("CREATE INDEX bits_quartz ON bits USING quartz (b bit_hamming_ops)")
            .with_context(|| format!("{first} came first"))?;
        check_index(&mut client, "bits_quartz")?;
        client.batch_execute("DROP INDEX bits_quartz")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn indexes_of_both_follow_the_table() -> Result {
    let database = Database::alone("beside-changes")?;
    let mut client = database.client()?;
    create_both_indexed(&mut client)?;
    client.batch_execute(
        "CREATE INDEX by_lists ON both_indexed USING ivfflat (v vector_l2_ops) WITH (lists = 3)",
    )?;
    set(&mut client, "hnsw.ef_search", 300)?;
    client.batch_execute("SET hnsw.ef_search = 300; SET ivfflat.probes = 3")?;
    let mut random = Random::new(36);
    let mut compare = |client: &mut Client, when: &str| -> Result {
        for _ in 0..5 {
            let query = random.vector(3).0.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
            let query = format!(
                "SELECT id, v <-> '[{query}]' AS d FROM both_indexed ORDER BY v <-> '[{query}]' LIMIT 20"
            );
            let truth = nearest(client, &without_index(&query))?;
            for (index, others) in [
                ("by_quartz", "by_hnsw, by_lists"),
                ("by_hnsw", "by_quartz, by_lists"),
                ("by_lists", "by_quartz, by_hnsw"),
            ] {
                client.batch_execute(&format!("BEGIN; DROP INDEX {others}"))?;
                let found = by_this_index(client, index, &query)?;
                client.batch_execute("ROLLBACK")?;
                ensure!(found.distances == truth.distances, "{when}, {index}: {:?}", found.distances);
            }
        }
        check_index(client, "by_quartz")
    };
    compare(&mut client, "built")?;
    copy(&mut client, "both_indexed", 500, &Random::new(37).vectors(200, 3))?;
    compare(&mut client, "inserted")?;
    client.batch_execute("UPDATE both_indexed SET v = v * '[0.5,1,1]' WHERE id % 3 = 0")?;
    client.batch_execute("DELETE FROM both_indexed WHERE id % 3 = 1")?;
    compare(&mut client, "updated and deleted")?;
    client.batch_execute("VACUUM both_indexed")?;
    compare(&mut client, "vacuumed")?;
    let statistics = client.query_one("SELECT live_rows FROM hnsw_statistics('by_quartz')", &[])?;
    ensure!(statistics.get::<_, i64>(0) == count(&mut client, "SELECT count(*) FROM both_indexed")?);
    for index in ["by_hnsw", "by_lists"] {
        let error = client.query(&format!("SELECT * FROM hnsw_check('{index}')"), &[]).err();
        let error = error.context("another's index was looked into")?;
        let message = format!("\"{index}\" is not a quartz index");
        ensure!(error.as_db_error().is_some_and(|error| error.message() == message), "{error:?}");
    }
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn a_dump_brings_tables_and_indexes_back() -> Result {
    let database = Database::new("beside_dumped")?;
    let mut client = database.client()?;
    create_both_indexed(&mut client)?;
    client.batch_execute(
        "CREATE TABLE halves (id int, v halfvec(3)); CREATE SCHEMA s;
         CREATE INDEX ON halves USING quartz (v halfvec_ip_ops); CREATE UNLOGGED TABLE s.u (b bit(5));
         CREATE INDEX ON s.u USING quartz (b bit_jaccard_ops)",
    )?;
    let cluster = database.cluster();
    let dump = |name: &str| -> Result<String> {
        let dump =
            xtask::process::output(cluster.client_program("pg_dump").args(["--rows-per-insert=1000", name]))?;
        // Newer minor versions frame the script with a random key.
        Ok(dump.lines().filter(|line| !line.contains("restrict")).map(|line| format!("{line}\n")).collect())
    };
    let script = dump(database.name())?;
    let lines = |text: &str| script.lines().filter(|line| line.contains(text)).count();
    ensure!(
        lines("USING quartz") == 3 && lines("CREATE EXTENSION") == 2 && lines("CREATE FUNCTION") == 0,
        "{script}"
    );
    cluster.create_database("beside_restored")?;
    cluster.psql("beside_restored", &script)?;
    ensure!(dump("beside_restored")? == script, "the dump of what was restored differs");
    let mut client = database.server().client("beside_restored")?;
    client.batch_execute("DROP INDEX by_hnsw")?;
    let query = "SELECT id, v <-> '[0,0,0]' FROM both_indexed ORDER BY v <-> '[0,0,0]' LIMIT 5";
    by_this_index(&mut client, "by_quartz", query)?.check()
}

#[test]
#[ignore = "needs pgvector"]
fn the_extension_goes_without_a_trace() -> Result {
    let database = Database::new("beside_dropped")?;
    let mut client = database.client()?;
    create_both_indexed(&mut client)?;
    expect_error(
        client.batch_execute("DROP EXTENSION quartzdb_pgvector"),
        &SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
    )?;
    expect_error(client.batch_execute("DROP EXTENSION vector"), &SqlState::DEPENDENT_OBJECTS_STILL_EXIST)?;
    client.batch_execute("DROP EXTENSION quartzdb_pgvector CASCADE")?;
    let query = "SELECT id, v <-> '[0,0,0]' FROM both_indexed ORDER BY v <-> '[0,0,0]' LIMIT 5";
    by_this_index(&mut client, "by_hnsw", query)?.check()?;
    let left = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'quartz%' OR proname LIKE 'hnsw\\_check'";
    ensure!(count(&mut client, left)? == 0);
    // And may come back.
    client.batch_execute("CREATE EXTENSION quartzdb_pgvector")?;
    client.batch_execute("CREATE INDEX by_quartz ON both_indexed USING quartz (v vector_l2_ops)")?;
    Ok(())
}

/// Tries to create the extension and gives the error's message, detail and hint.
fn refusal(client: &mut Client, statement: &str) -> Result<String> {
    let error = client.batch_execute(statement).err().context("the extension was created")?;
    let error = error.as_db_error().context("no answer")?;
    ensure!(error.code() == NOT_READY, "{error:?}");
    Ok([Some(error.message()), error.detail(), error.hint()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" | "))
}

#[test]
#[ignore = "needs pgvector"]
fn the_extension_says_what_it_wants() -> Result {
    let database = Database::new("beside_errors")?;
    let mut client = database.client()?;
    client.batch_execute("DROP EXTENSION quartzdb_pgvector")?;

    // A pgvector before 0.7.0 had neither the types nor this operator.
    client.batch_execute("ALTER EXTENSION vector DROP OPERATOR <+> (halfvec, halfvec)")?;
    let text = refusal(&mut client, "CREATE EXTENSION quartzdb_pgvector")?;
    for part in ["is too old", "0.7.0 or later", "<+> (halfvec, halfvec).", "ALTER EXTENSION vector UPDATE"] {
        ensure!(text.contains(part), "{text}");
    }
    client.batch_execute("ALTER EXTENSION vector ADD OPERATOR <+> (halfvec, halfvec)")?;

    client.batch_execute("DROP EXTENSION vector")?;
    let missing = client.batch_execute("CREATE EXTENSION quartzdb_pgvector");
    expect_error(missing, &SqlState::UNDEFINED_OBJECT)?;
    Ok(())
}

/// Wherever `vector` is QuartzDB's own, its library has nothing to add to it.
#[test]
fn quartz_is_for_pgvector_alone() -> Result {
    let server = Server::shared()?;
    server.cluster.create_database("beside_whom")?;
    let mut client = server.client("beside_whom")?;
    client.batch_execute("CREATE EXTENSION vector")?;
    if extension() == "quartzdb_pgvector" {
        return Ok(client.batch_execute("CREATE EXTENSION quartzdb_pgvector")?);
    }
    server.create_database("beside_quartzdb")?;
    let mut both = server.client("beside_quartzdb")?;
    both.batch_execute("CREATE EXTENSION vector")?;
    for mut client in [client, both] {
        let text = refusal(&mut client, "CREATE EXTENSION quartzdb_pgvector")?;
        ensure!(
            text.contains("QuartzDB's, not pgvector's") && text.contains("access method hnsw."),
            "{text}"
        );
    }
    Ok(())
}

/// The functions take a datum for what pgvector's types are, so no others may get at them: not even those of somebody who may
/// create the extension, since it is trusted.
#[test]
#[ignore = "needs pgvector"]
fn no_other_types_are_taken_for_pgvectors() -> Result {
    let database = Database::new("beside_hostile_schema")?;
    let mut client = database.client()?;
    client.batch_execute(
        "DROP EXTENSION quartzdb_pgvector;
         CREATE ROLE beside_somebody; GRANT CREATE ON DATABASE beside_hostile_schema TO beside_somebody;
         SET ROLE beside_somebody; CREATE SCHEMA theirs",
    )?;
    let mut is_found_out = false;
    for trap in [
        "CREATE TYPE theirs.vector AS ENUM ('a')",
        "CREATE TYPE theirs.vector AS ENUM ('a');
         CREATE FUNCTION theirs.f(theirs.vector, theirs.vector) RETURNS float8 LANGUAGE sql RETURN 1;
         CREATE FUNCTION theirs.vector_norm(theirs.vector) RETURNS float8 LANGUAGE sql RETURN 1;
         CREATE OPERATOR theirs.<-> (LEFTARG = theirs.vector, RIGHTARG = theirs.vector, FUNCTION = theirs.f);
         CREATE OPERATOR theirs.<#> (LEFTARG = theirs.vector, RIGHTARG = theirs.vector, FUNCTION = theirs.f);
         CREATE OPERATOR theirs.<=> (LEFTARG = theirs.vector, RIGHTARG = theirs.vector, FUNCTION = theirs.f);
         CREATE OPERATOR theirs.<+> (LEFTARG = theirs.vector, RIGHTARG = theirs.vector, FUNCTION = theirs.f)",
        "CREATE DOMAIN theirs.sparsevec AS int",
        "CREATE FUNCTION theirs.vector_norm(vector) RETURNS float8 LANGUAGE sql RETURN 1",
        "CREATE FUNCTION theirs.f(vector, vector) RETURNS float8 LANGUAGE sql RETURN 1;
         CREATE OPERATOR theirs.<-> (LEFTARG = vector, RIGHTARG = vector, FUNCTION = theirs.f)",
    ] {
        client.batch_execute(&format!("BEGIN; {trap}; SAVEPOINT here"))?;
        let result = client.batch_execute("CREATE EXTENSION quartzdb_pgvector SCHEMA theirs");
        let error = result.err().with_context(|| format!("created despite {trap}"))?;
        let code = error.code().context("no answer")?;
        ensure!([NOT_READY, &SqlState::UNDEFINED_FUNCTION].contains(&code), "{trap}: {error:?}");
        is_found_out |= code == NOT_READY && trap.contains("ENUM");
        client.batch_execute("ROLLBACK")?;
    }
    ensure!(is_found_out, "the script fails for another reason than that the type is not pgvector's");
    client.batch_execute(
        "CREATE EXTENSION quartzdb_pgvector SCHEMA theirs; CREATE TABLE theirs.t (v vector(3));
         CREATE INDEX ON theirs.t USING quartz (v theirs.vector_l2_ops); DROP TABLE theirs.t;
         DROP EXTENSION quartzdb_pgvector; DROP SCHEMA theirs; RESET ROLE",
    )?;
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn each_extension_may_have_a_schema_of_its_own() -> Result {
    let database = Database::new("beside_schemas")?;
    let mut client = database.client()?;
    client.batch_execute(
        "DROP EXTENSION vector CASCADE; CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c;
         CREATE EXTENSION vector SCHEMA a; CREATE EXTENSION quartzdb_pgvector SCHEMA b;
         CREATE TABLE t (id int, v a.vector(2)); INSERT INTO t SELECT i, ARRAY[i, 1] FROM generate_series(1, 100) i;
         CREATE INDEX t_quartz ON t USING quartz (v b.vector_l2_ops);
         ALTER EXTENSION quartzdb_pgvector SET SCHEMA c; ALTER EXTENSION vector SET SCHEMA b",
    )?;
    let query = "SELECT id, v OPERATOR(b.<->) '[7,1]' FROM t ORDER BY v OPERATOR(b.<->) '[7,1]' LIMIT 3";
    let found = by_this_index(&mut client, "t_quartz", query)?;
    ensure!(found.ids[0] == 7, "{:?}", found.ids);
    client.batch_execute("SELECT * FROM c.hnsw_check('t_quartz'); REINDEX INDEX t_quartz")?;
    Ok(())
}

#[test]
#[ignore = "needs pgvector"]
fn errors_name_the_access_method() -> Result {
    let database = Database::new("beside_messages")?;
    let mut client = database.client()?;
    client.batch_execute("CREATE TABLE t (v vector, b varbit, s sparsevec(2000), wide bit(64001), i int)")?;
    for (statement, message) in [
        ("CREATE INDEX ON t USING quartz (v vector_l2_ops)", "column does not have dimensions"),
        ("CREATE INDEX ON t USING quartz (b bit_hamming_ops)", "type not supported for quartz index"),
        (
            "CREATE INDEX ON t USING quartz (wide bit_hamming_ops)",
            "column cannot have more than 64000 dimensions for quartz index",
        ),
        (
            "CREATE INDEX ON t USING quartz (s sparsevec_l2_ops);
             INSERT INTO t (s) SELECT array_fill(1, ARRAY[2000])::vector::sparsevec",
            "sparsevec cannot have more than 1000 non-zero elements for quartz index",
        ),
        (
            "CREATE INDEX ON t USING quartz (s sparsevec_l2_ops) WITH (m = 1)",
            "value 1 out of bounds for option \"m\"",
        ),
        (
            "CREATE INDEX ON t USING quartz (s sparsevec_l2_ops) WITH (lists = 1)",
            "unrecognized parameter \"lists\"",
        ),
        (
            "CREATE INDEX ON t USING quartz (i)",
            "data type integer has no default operator class for access method \"quartz\"",
        ),
    ] {
        let error =
            client.batch_execute(statement).err().with_context(|| format!("accepted: {statement}"))?;
        ensure!(
            error.as_db_error().is_some_and(|error| error.message() == message),
            "{statement}: {error:?}"
        );
    }
    Ok(())
}
