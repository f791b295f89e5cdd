//! How many of the nearest rows are found. The floors on random points are those pgvector tests itself by.

use crate::harness::*;
use anyhow::ensure;
use postgres::Client;
use xtask::demo::data;

const ROWS: usize = 10_000;
const QUERIES: usize = 20;
const WANTED: usize = 20;

/// What must be found of random points in three dimensions with default settings.
fn floor(operator: &str) -> f64 {
    if operator == "<#>" { 0.97 } else { 0.99 }
}

/// Points of the unit cube, most of them near its origin.
fn points(seed: u64) -> Vec<Vector> {
    let mut random = Random::new(seed);
    let mut element = || random.unit() * random.unit();
    (0..ROWS).map(|_| Vector(vec![element(), element(), element()])).collect()
}

fn exam(client: &mut Client, operator: &str) -> Result<Exam> {
    let queries = Random::new(7).vectors(QUERIES, 3);
    Exam::new(client, "points", operator, queries, WANTED)
}

/// Builds an index of each class over the same points and looks at what it finds.
fn examine_builds(database: &str, settings: &str) -> Result {
    let method = method();
    let database = Database::new(database)?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &points(1))?;
    client.batch_execute(settings)?;
    let mut findings = Findings::default();
    for (operator, class) in METRICS {
        client.batch_execute(&format!("CREATE INDEX points_hnsw ON points USING {method} (v {class})"))?;
        findings.add(exam(&mut client, operator)?.expect(&mut client, settings, floor(operator)));
        check_index(&mut client, "points_hnsw")?;
        client.batch_execute("DROP INDEX points_hnsw")?;
    }
    findings.result()
}

#[test]
fn a_build_by_one_thread_is_found_again() -> Result {
    examine_builds("recall_serial", "SET max_parallel_maintenance_workers = 0")
}

#[test]
fn a_build_by_several_threads_is_found_again() -> Result {
    examine_builds("recall_parallel", "ALTER TABLE points SET (parallel_workers = 2)")
}

#[test]
fn a_build_beyond_its_memory_is_found_again() -> Result {
    examine_builds(
        "recall_low_memory",
        "SET client_min_messages = warning; SET maintenance_work_mem = '1MB'; ALTER TABLE points SET (parallel_workers = 2)",
    )
}

#[test]
fn rows_inserted_by_many_clients_are_found_again() -> Result {
    let method = method();
    let database = Database::new("recall_inserts")?;
    let mut client = database.client()?;
    let points = points(2);
    client.batch_execute("CREATE TABLE points (id int, v vector(3))")?;
    const CLIENTS: usize = 10;
    let mut findings = Findings::default();
    for (operator, class) in METRICS {
        client.batch_execute(&format!("CREATE INDEX points_hnsw ON points USING {method} (v {class})"))?;
        database.in_threads(CLIENTS, |client, number| {
            let insert = client.prepare("INSERT INTO points VALUES ($1, $2)")?;
            for id in (number..ROWS).step_by(CLIENTS) {
                client.execute(&insert, &[&(id as i32), &points[id]])?;
            }
            Ok(())
        })?;
        findings.add(exam(&mut client, operator)?.expect(&mut client, "inserted", floor(operator)));
        check_index(&mut client, "points_hnsw")?;
        client.batch_execute("DROP INDEX points_hnsw; TRUNCATE points")?;
    }
    findings.result()
}

#[test]
fn recall_survives_the_loss_of_three_rows_in_four() -> Result {
    let method = method();
    let database = Database::alone("recall-vacuum")?;
    let mut client = database.client()?;
    create_table(&mut client, "points", &points(3))?;
    // By one thread, so that the result is the same every time.
    set(&mut client, "max_parallel_maintenance_workers", 0)?;
    for (operator, class) in METRICS {
        client.batch_execute(
            "DROP TABLE IF EXISTS left_over; CREATE TABLE left_over AS SELECT * FROM points",
        )?;
        client.batch_execute(&format!(
            "CREATE INDEX left_over_hnsw ON left_over USING {method} (v {class}) WITH (m = 4, ef_construction = 8)"
        ))?;
        client.batch_execute("DELETE FROM left_over WHERE id > 2500")?;
        let queries = Random::new(8).vectors(QUERIES, 3);
        let exam = Exam::new(&mut client, "left_over", operator, queries, WANTED)?;
        // pgvector's own test has these figures for its L2 class.
        set(&mut client, "hnsw.ef_search", 20)?;
        let few = if operator == "<->" { 0.18 } else { 0.0 };
        exam.expect(&mut client, "deleted, ef_search = 20", few)?;
        set(&mut client, "hnsw.ef_search", 100)?;
        let many = if operator == "<->" { 0.93 } else { 0.0 };
        exam.expect(&mut client, "deleted, ef_search = 100", many)?;
        client.batch_execute("VACUUM left_over")?;
        set(&mut client, "hnsw.ef_search", 20)?;
        let vacuumed = exam.recall(&mut client)?;
        println!("{operator}, vacuumed, ef_search = 20: recall {vacuumed:.4}");
        check_index(&mut client, "left_over_hnsw")?;
        client.batch_execute("REINDEX INDEX left_over_hnsw")?;
        let fresh = exam.recall(&mut client)?;
        println!("{operator}, built anew, ef_search = 20: recall {fresh:.4}");
        if operator == "<->" {
            ensure!(vacuumed >= 0.95, "{operator}: recall {vacuumed} after vacuum");
        }
        // By inner product so few links find two rows in three, this build's and that one's.
        let tolerance = if operator == "<#>" { 0.1 } else { 0.02 };
        ensure!(
            vacuumed >= fresh - tolerance || is_pgvector(),
            "{operator}: recall {vacuumed} after vacuum, {fresh} when built anew"
        );
    }
    Ok(())
}

/// The programs' embeddings, as the table `programs`, and an exam in the questions: the ten nearest by cosine.
fn load_programs(client: &mut Client, order: impl FnOnce(&mut Vec<Vector>)) -> Result<Exam> {
    let mut embeddings: Vec<Vector> =
        data::programs()?.into_iter().map(|program| program.embedding).collect();
    order(&mut embeddings);
    create_table(client, "programs", &embeddings)?;
    // By one thread, so that the result is the same every time.
    set(client, "max_parallel_maintenance_workers", 0)?;
    client.batch_execute(&format!(
        "CREATE INDEX programs_hnsw ON programs USING {} (v vector_cosine_ops)",
        method()
    ))?;
    let questions = data::queries()?.into_iter().map(|query| query.embedding).collect();
    Exam::new(client, "programs", "<=>", questions, 10)
}

/// With each `ef_search`, what pgvector 0.8.7 finds of the programs with m = 16 and ef_construction = 64: mean of six runs
/// (at 40: 0.9928 built, 0.9933 inserted). In shuffled order it finds 0.9970 and 0.9983 at 40 and 100, by cluster 0.9894
/// and 0.9967.
const PROGRAMS: [(i32, f64); 3] = [(40, 0.993), (100, 1.0), (200, 1.0)];

/// How much less is as good: three of the 600 rows that belong into the answers.
const AS_GOOD: f64 = 0.005;

#[test]
fn sentence_embeddings_are_found_as_well_as_by_pgvector() -> Result {
    let database = Database::new("recall_programs")?;
    let mut client = database.client()?;
    let exam = load_programs(&mut client, |_| ())?;
    let mut findings = Findings::default();
    for (ef_search, pgvector) in PROGRAMS {
        set(&mut client, "hnsw.ef_search", ef_search)?;
        findings.add(exam.expect(
            &mut client,
            &format!("programs, ef_search = {ef_search}"),
            pgvector - AS_GOOD,
        ));
    }
    check_index(&mut client, "programs_hnsw")?;
    findings.result()
}

/// The same for many rows: with an `ef_search` and a LIMIT, what pgvector finds, mean of three builds.
const MANY: [(i32, usize, f64); 4] = [(40, 20, 0.982), (40, 40, 0.964), (100, 50, 0.987), (100, 100, 0.971)];

#[test]
fn up_to_ef_search_rows_are_found_as_well_as_by_pgvector() -> Result {
    let database = Database::new("recall_many")?;
    let mut client = database.client()?;
    load_programs(&mut client, |_| ())?;
    let mut findings = Findings::default();
    for (ef_search, rows, pgvector) in MANY {
        set(&mut client, "hnsw.ef_search", ef_search)?;
        let questions = data::queries()?.into_iter().map(|query| query.embedding).collect();
        let exam = Exam::new(&mut client, "programs", "<=>", questions, rows)?;
        let what = format!("{rows} programs, ef_search = {ef_search}");
        findings.add(exam.expect(&mut client, &what, pgvector - AS_GOOD));
        // A plan that does not know the LIMIT: the scan begins as for few rows, and what is missed among these is lost.
        set(&mut client, "plan_cache_mode", "force_generic_plan")?;
        findings.add(exam.expect(&mut client, &format!("{what}, LIMIT unknown"), pgvector - 4.0 * AS_GOOD));
        set(&mut client, "plan_cache_mode", "auto")?;
    }
    findings.result()
}

#[test]
fn sentence_embeddings_inserted_one_by_one_are_found_as_well_as_by_pgvector() -> Result {
    let database = Database::new("recall_programs_inserted")?;
    let mut client = database.client()?;
    let exam = load_programs(&mut client, |_| ())?;
    // The same rows again, now through insertion.
    client.batch_execute(
        "CREATE TABLE copied AS SELECT * FROM programs;
         TRUNCATE programs; INSERT INTO programs SELECT * FROM copied",
    )?;
    let mut findings = Findings::default();
    for (ef_search, pgvector) in PROGRAMS {
        set(&mut client, "hnsw.ef_search", ef_search)?;
        findings.add(exam.expect(
            &mut client,
            &format!("programs inserted, ef_search = {ef_search}"),
            pgvector - AS_GOOD,
        ));
    }
    check_index(&mut client, "programs_hnsw")?;
    findings.result()
}

#[test]
fn the_order_of_loading_hardly_matters() -> Result {
    let database = Database::new("recall_sorted")?;
    let mut client = database.client()?;
    let mut recalls = Vec::new();
    type Order = fn(&mut Vec<Vector>);
    let orders: [(&str, Order); 2] =
        [("shuffled", |all| Random::new(5).shuffle(all)), ("by cluster", by_cluster)];
    for (name, order) in orders {
        let exam = load_programs(&mut client, order)?;
        for ef_search in [40, 100] {
            set(&mut client, "hnsw.ef_search", ef_search)?;
            let recall = exam.recall(&mut client)?;
            println!("programs {name}, ef_search = {ef_search}: recall {recall:.4}");
            recalls.push(recall);
        }
        client.batch_execute("DROP TABLE programs")?;
    }
    for (shuffled, sorted) in recalls[..2].iter().zip(&recalls[2..]) {
        ensure!(sorted >= &(shuffled - 0.01), "recall {sorted} when sorted, {shuffled} when not");
    }
    Ok(())
}

/// Cluster after cluster, and within each from its centre outwards: how data from elsewhere often comes.
fn by_cluster(vectors: &mut Vec<Vector>) {
    let dot = |a: &Vector, b: &Vector| a.0.iter().zip(&b.0).map(|(a, b)| a * b).sum::<f32>();
    let centres: Vec<Vector> = vectors.iter().step_by(vectors.len() / 40).cloned().collect();
    let place = |vector: &Vector| {
        let near = centres.iter().enumerate().map(|(centre, at)| (centre, dot(vector, at)));
        near.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
    };
    let mut placed: Vec<_> = vectors.drain(..).map(|vector| (place(&vector), vector)).collect();
    placed.sort_by(|((a, near_a), _), ((b, near_b), _)| a.cmp(b).then(near_b.total_cmp(near_a)));
    vectors.extend(placed.into_iter().map(|(_, vector)| vector));
}

/// A class of another type than `vector`: what its column is made of the points, its operator, and what must be found. The floors
/// are pgvector's.
struct Class {
    name: &'static str,
    operator: &'static str,
    column: &'static str,
    /// From a vector, in SQL.
    value: &'static str,
    floor: f64,
}

const fn class(
    name: &'static str,
    operator: &'static str,
    column: &'static str,
    value: &'static str,
    floor: f64,
) -> Class {
    Class { name, operator, column, value, floor }
}

const CLASSES: [Class; 10] = [
    class("halfvec_l2_ops", "<->", "halfvec(10)", "p::halfvec(10)", 0.98),
    class("halfvec_ip_ops", "<#>", "halfvec(10)", "p::halfvec(10)", 0.98),
    class("halfvec_cosine_ops", "<=>", "halfvec(10)", "p::halfvec(10)", 0.98),
    class("halfvec_l1_ops", "<+>", "halfvec(10)", "p::halfvec(10)", 0.98),
    class("bit_hamming_ops", "<~>", "bit(52)", BITS, 0.98),
    class("bit_jaccard_ops", "<%>", "bit(52)", BITS, 0.95),
    class("sparsevec_l2_ops", "<->", "sparsevec(3)", "subvector(p, 1, 3)::sparsevec", 0.99),
    class("sparsevec_ip_ops", "<#>", "sparsevec(3)", "subvector(p, 1, 3)::sparsevec", 0.97),
    class("sparsevec_cosine_ops", "<=>", "sparsevec(3)", "subvector(p, 1, 3)::sparsevec", 0.99),
    class("sparsevec_l1_ops", "<+>", "sparsevec(3)", "subvector(p, 1, 3)::sparsevec", 0.99),
];

/// 52 bits, each set or not with the same probability.
const BITS: &str = "substring(('x' || md5(p::text))::bit(128), 1, 52)::bit(52)";

/// The share of the rows within the distance of the last one wanted that the index finds, over all queries.
fn recall_of(client: &mut Client, class: &Class, table: &str) -> Result<f64> {
    let Class { operator, .. } = class;
    set(client, "hnsw.ef_search", if class.column.starts_with("bit") { 100 } else { 40 })?;
    let mut found = 0;
    for id in 0..QUERIES as i32 {
        let query =
            client.query_one("SELECT v::text FROM queries WHERE id = $1", &[&id])?.get::<_, String>(0);
        let query = format!("'{query}'::{}", class.column);
        let nearest = |order: &str| {
            format!("SELECT v {operator} {query} AS d FROM {table} ORDER BY {order} LIMIT {WANTED}")
        };
        let exact = nearest(&format!("(v {operator} {query}) + 0"));
        let last: f64 = client.query_one(&format!("SELECT max(d) FROM ({exact}) AS nearest"), &[])?.get(0);
        let by_index = client.query(&nearest(&format!("v {operator} {query}")), &[])?;
        let distances: Vec<f64> = by_index.iter().map(|row| row.get(0)).collect();
        ensure!(distances.is_sorted(), "{}: {distances:?}", class.name);
        found += distances.iter().filter(|distance| **distance <= last).count();
    }
    Ok(found as f64 / (QUERIES * WANTED) as f64)
}

/// Half of the rows are there when the index is built, the others are inserted; then half are deleted and vacuumed away.
fn examine_classes(database: &str, classes: &[Class]) -> Result {
    let method = method();
    let database = Database::alone(database)?;
    let mut client = database.client()?;
    // By one thread, so that the result is the same every time.
    set(&mut client, "max_parallel_maintenance_workers", 0)?;
    let mut random = Random::new(21);
    // As in pgvector's tests: sparse vectors lie mostly near the origin, the others anywhere in the cube.
    let is_near = classes[0].column.starts_with("sparsevec");
    let mut element = || random.unit() * if is_near { random.unit() } else { 1.0 };
    let points: Vec<Vector> = (0..ROWS).map(|_| Vector((0..10).map(|_| element()).collect())).collect();
    create_table(&mut client, "points", &points)?;
    create_table(&mut client, "seeds", &Random::new(22).vectors(QUERIES, 10))?;
    client.batch_execute("ALTER TABLE points RENAME v TO p; ALTER TABLE seeds RENAME v TO p")?;
    for class in classes {
        let Class { name, column, value, floor, .. } = class;
        client.batch_execute(&format!(
            "CREATE TABLE rows (id int, v {column}); CREATE TABLE queries (id int, v {column});
             INSERT INTO rows SELECT id, {value} FROM points WHERE id % 2 = 0;
             INSERT INTO queries SELECT id, {value} FROM seeds;
             CREATE INDEX rows_hnsw ON rows USING {method} (v {name}); ANALYZE rows"
        ))?;
        let built = recall_of(&mut client, class, "rows")?;
        client.batch_execute(&format!("INSERT INTO rows SELECT id, {value} FROM points WHERE id % 2 = 1"))?;
        let inserted = recall_of(&mut client, class, "rows")?;
        client.batch_execute("DELETE FROM rows WHERE id % 4 < 2")?;
        client.batch_execute("VACUUM rows")?;
        let vacuumed = recall_of(&mut client, class, "rows")?;
        check_index(&mut client, "rows_hnsw")?;
        println!("{name}: recall {built:.4} built, {inserted:.4} inserted, {vacuumed:.4} vacuumed");
        ensure!(
            [built, inserted, vacuumed].iter().all(|recall| recall >= floor),
            "{name}: {built}, {inserted}, {vacuumed}"
        );
        client.batch_execute("DROP TABLE rows, queries")?;
    }
    Ok(())
}

#[test]
fn half_precision_rows_are_found_again() -> Result {
    examine_classes("recall-halfvec", &CLASSES[..4])
}

#[test]
fn bit_strings_are_found_again() -> Result {
    examine_classes("recall-bit", &CLASSES[4..6])
}

#[test]
fn sparse_rows_are_found_again() -> Result {
    examine_classes("recall-sparsevec", &CLASSES[6..])
}
