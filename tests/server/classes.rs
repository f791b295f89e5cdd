//! Every kind of value and of node through what other files put `vector` and Euclidean distance through: a crash, a
//! standby, a build beyond its memory, many clients at once.

use crate::harness::*;
use anyhow::{Context, ensure};
use postgres::Client;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

/// An operator class, whose name a table of its values has too.
struct Case {
    class: &'static str,
    operator: &'static str,
    /// The column's type.
    column: &'static str,
    value: fn(&mut Random) -> String,
    /// So many rows are too many for a build with 1 MB, even without the last 600: so many may wait in batches for two
    /// threads, which notice only what they have inserted.
    many: i32,
}

const CASES: [Case; 11] = [
    // Fused nodes, in the third case of more than a page.
    case("vector_ip_ops", "<#>", "vector(40)", dense::<1>, 2100),
    case("vector_cosine_ops", "<=>", "vector(40)", dense::<1>, 2100),
    case("halfvec_cosine_ops", "<=>", "halfvec(1600)", dense::<40>, 1000),
    case("halfvec_l2_ops", "<->", "halfvec(40)", dense::<1>, 2100),
    // Plain nodes: also of more than a page, and of more and of less in the same index.
    case("vector_l1_ops", "<+>", "vector(40)", dense::<1>, 3900),
    case("halfvec_l1_ops", "<+>", "halfvec(40)", dense::<1>, 4500),
    case("bit_hamming_ops", "<~>", "bit(100)", bits::<1>, 5400),
    case("bit_jaccard_ops", "<%>", "bit(6400)", bits::<64>, 2200),
    case("sparsevec_l2_ops", "<->", "sparsevec(1500)", sparse, 2400),
    case("sparsevec_ip_ops", "<#>", "sparsevec(1500)", sparse, 2400),
    case("sparsevec_cosine_ops", "<=>", "sparsevec(1500)", sparse, 2400),
];

const fn case(
    class: &'static str,
    operator: &'static str,
    column: &'static str,
    value: fn(&mut Random) -> String,
    many: i32,
) -> Case {
    Case { class, operator, column, value, many }
}

/// A point of the unit cube in 40 dimensions, its coordinates as often as told.
fn dense<const TIMES: usize>(random: &mut Random) -> String {
    format!("{:?}", random.vector(40).0.repeat(TIMES))
}

/// A hundred bits, as often as told.
fn bits<const TIMES: usize>(random: &mut Random) -> String {
    let bits: String = (0..100).map(|_| if random.below(2) == 0 { '0' } else { '1' }).collect();
    bits.repeat(TIMES)
}

/// From few to 40 elements that matter; now and then a thousand small ones besides, for which a page is too small.
fn sparse(random: &mut Random) -> String {
    let share = 0.2 + 0.8 * random.unit();
    let mut elements = Vec::new();
    for index in 1..=40 {
        if random.unit() < share {
            elements.push(format!("{index}:{}", 0.01 + random.unit()));
        }
    }
    if random.below(40) == 0 {
        elements.extend((501..=1450).map(|index| format!("{index}:{}", 0.001 + 0.001 * random.unit())));
    }
    format!("{{{}}}/1500", elements.join(","))
}

/// So many rows a table has at first.
const FIRST: i32 = 400;

/// One in forty of the rows a table has at first.
fn first(rest: i32) -> String {
    format!("id < {FIRST} AND id % 40 = {rest}")
}

/// Goes through the cases, each of which it names in what it found.
fn for_each_case(mut test: impl FnMut(&Case) -> Result) -> Result {
    let mut findings = Findings::default();
    CASES.iter().for_each(|case| findings.add(test(case).with_context(|| case.class)));
    findings.result()
}

/// From here on ids are those of queries, which are no rows.
const QUERIES: i32 = 1_000_000;

impl Case {
    /// The value of the row with this id.
    fn value(&self, id: i32) -> Text {
        Text((self.value)(&mut Random::new(id as u64)))
    }

    /// By inner product, no row is given a way in at the cost of others' links: some are found by nobody then, not even by
    /// their own value.
    fn may_lose(&self) -> bool {
        self.operator == "<#>"
    }

    fn index(&self) -> String {
        format!("{}_hnsw", self.class)
    }

    /// A table of so many rows, without an index.
    fn create_table(&self, client: &mut Client, rows: i32) -> Result {
        client.batch_execute(&format!("CREATE TABLE {} (id int, v {})", self.class, self.column))?;
        self.add(client, 0..rows)
    }

    fn build(&self, client: &mut Client) -> Result {
        let Self { class, .. } = self;
        let create = format!("CREATE INDEX {} ON {class} USING {} (v {class})", self.index(), method());
        Ok(client.batch_execute(&create)?)
    }

    fn add(&self, client: &mut Client, ids: Range<i32>) -> Result {
        let values: Vec<String> = ids.clone().map(|id| self.value(id).0).collect();
        let insert = format!(
            "INSERT INTO {} SELECT id, value::{} FROM unnest($1::int[], $2::text[]) AS new (id, value)",
            self.class, self.column
        );
        client.execute(&insert, &[&ids.collect::<Vec<i32>>(), &values])?;
        Ok(())
    }

    /// Removes rows, and room for others is made of theirs.
    fn remove(&self, client: &mut Client, which: &str) -> Result {
        run(client, &format!("DELETE FROM {0} WHERE {which}; VACUUM {0}", self.class))
    }

    /// After a vacuum beside which nobody inserts, there must be a way to every row.
    fn mend(&self, client: &mut Client) -> Result {
        self.remove(client, "id % 7 = 3")?;
        let lost = format!("SELECT unreachable_rows FROM hnsw_statistics('{}')", self.index());
        let lost = if is_pgvector() { 0 } else { count(client, &lost)? };
        ensure!(lost == 0 || self.may_lose(), "{lost} rows cannot be reached after a vacuum");
        self.examine(client, "after a vacuum").map(drop)
    }

    fn nearest(&self, client: &mut Client, query: i32, limit: i64) -> Result<Nearest> {
        by_index(client, self.class, self.operator, &self.value(QUERIES + query), limit)
    }

    /// The ids of the table's rows in ascending order, of which the index, which must be sound, finds all but a few.
    fn examine(&self, client: &mut Client, what: &str) -> Result<Vec<i32>> {
        let Self { class, operator, .. } = self;
        check_index(client, &self.index())?;
        let ids = |rows: Vec<postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>();
        let table = ids(client.query(&format!("SELECT id FROM {class} ORDER BY id"), &[])?);
        set(client, "hnsw.ef_search", 200)?;
        set(client, "hnsw.iterative_scan", "relaxed_order")?;
        let scan = format!("SELECT id FROM {class} ORDER BY v {operator} $1");
        let mut met = ids(client.query(&scan, &[&self.value(QUERIES)])?);
        set(client, "hnsw.iterative_scan", "off")?;
        let all = met.len();
        met.sort_unstable();
        met.dedup();
        ensure!(met.len() == all, "{what}: {} rows came twice", all - met.len());
        // Clients that insert at once can cost a row its last way in, until the next vacuum.
        let least = if self.may_lose() { 70 } else { 95 };
        ensure!(all * 100 >= table.len() * least, "{what}: a scan of all {} rows met {all}", table.len());
        if !self.may_lose() {
            let own = table.iter().step_by(table.len() / 25).map(|&id| self.value(id)).collect();
            let own = Exam::new(client, class, operator, own, 1)?;
            own.expect(client, &format!("{class}, {what}, what is there"), 0.9)?;
        }
        let others = (0..12).map(|query| self.value(QUERIES + query)).collect();
        let others = Exam::new(client, class, operator, others, 10)?;
        others.expect(client, &format!("{class}, {what}, what is near"), 0.9)?;
        Ok(table)
    }
}

/// An error of a statement, and not for lack of a server.
fn is_told_by_server(error: &anyhow::Error) -> bool {
    let told = error.downcast_ref().and_then(postgres::Error::as_db_error);
    told.is_some_and(|told| told.parsed_severity() == Some(postgres::error::Severity::Error))
}

#[test]
fn a_crash_leaves_every_class_its_acknowledged_rows() -> Result {
    let server = Server::start(&Server::logging_plan("classes-crash"))?;
    server.create_database("classes")?;
    for_each_case(|case| {
        let mut client = server.client("classes")?;
        case.create_table(&mut client, FIRST)?;
        case.build(&mut client)?;
        // Of two clients that insert, and of one that deletes and vacuums.
        let acknowledged: [AtomicI32; 3] = Default::default();
        std::thread::scope(|scope| -> Result {
            let clients = scope.spawn(|| {
                in_threads(&server, "classes", 3, |client, number| {
                    for step in 0.. {
                        let id = FIRST + 2 * step + number as i32;
                        let done = match number {
                            0 | 1 => case.add(client, id..id + 1),
                            _ => case.remove(client, &first(step)),
                        };
                        match done {
                            Ok(()) => acknowledged[number].fetch_add(1, Ordering::Release),
                            Err(error) if is_told_by_server(&error) => return Err(error),
                            Err(_) => return Ok(()),
                        };
                    }
                    Ok(())
                })
            });
            let worked = wait_for("work", || {
                let done = acknowledged.iter().map(|done| done.load(Ordering::Acquire));
                Ok(done.zip([60, 60, 3]).all(|(done, enough)| done >= enough))
            });
            // Whatever happened: the clients go on until the crash.
            server.cluster.kill()?;
            clients.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            worked
        })?;
        server.cluster.start()?;
        let mut client = server.client("classes")?;
        let table = case.examine(&mut client, "after recovery")?;
        let [first, second, removed] = acknowledged.map(AtomicI32::into_inner);
        let removed = |id: i32| id < FIRST && id % 40 < removed;
        ensure!(!table.iter().any(|&id| removed(id)), "deleted rows are back");
        let inserted =
            (0..first).map(|step| FIRST + 2 * step).chain((0..second).map(|step| FIRST + 1 + 2 * step));
        let lost: Vec<i32> = inserted.filter(|id| table.binary_search(id).is_err()).collect();
        ensure!(lost.is_empty(), "lost {lost:?}");
        // Whatever the crash left half done.
        case.mend(&mut client)
    })?;
    server.check_log()
}

#[test]
fn a_standby_answers_for_every_class_as_its_primary_does() -> Result {
    let primary = Server::start(&Server::logging_plan("classes-primary"))?;
    primary.create_database("classes")?;
    let mut here = primary.client("classes")?;
    // Half of the indexes are in the backup, half come through the stream.
    let (copied, streamed) = CASES.split_at(CASES.len() / 2);
    for case in &CASES {
        case.create_table(&mut here, FIRST)?;
    }
    copied.iter().try_for_each(|case| case.build(&mut here))?;
    let standby = primary.follow("classes-standby")?;
    streamed.iter().try_for_each(|case| case.build(&mut here))?;
    let mut there = standby.client("classes")?;
    [&mut here, &mut there].into_iter().try_for_each(|client| set(client, "hnsw.ef_search", 200))?;
    for_each_case(|case| {
        let mut compare = |here: &mut Client, what: &str| -> Result {
            catch_up(here, &mut there)?;
            for query in 0..5 {
                let (here, there) = (case.nearest(here, query, 20)?, case.nearest(&mut there, query, 20)?);
                let is_same = here.ids == there.ids && here.distances == there.distances;
                ensure!(is_same, "{what}: {:?}, but {:?} there", here.ids, there.ids);
            }
            check_index(&mut there, &case.index())
        };
        compare(&mut here, "at the beginning")?;
        case.add(&mut here, FIRST..500)?;
        compare(&mut here, "after inserts")?;
        case.remove(&mut here, "id % 3 = 1")?;
        compare(&mut here, "after a vacuum")?;
        case.add(&mut here, 500..550)?;
        compare(&mut here, "after inserts into its room")?;
        case.examine(&mut there, "on the standby").map(drop)
    })?;
    primary.check_log()?;
    standby.check_log()
}

#[test]
fn a_build_of_any_class_may_outgrow_its_memory() -> Result {
    let database = Database::new("classes_build")?;
    let (mut client, notices) = database.listening_client()?;
    set(&mut client, "maintenance_work_mem", "1MB")?;
    for_each_case(|case| {
        case.create_table(&mut client, case.many)?;
        case.build(&mut client)?;
        let notices: Vec<_> = notices.lock().unwrap().drain(..).collect();
        let has_outgrown = |notice: &postgres::error::DbError| notice.message().contains("no longer fits");
        ensure!(notices.len() == 1 && has_outgrown(&notices[0]), "notices {notices:?}");
        case.examine(&mut client, notices[0].message()).map(drop)
    })
}

#[test]
fn every_class_is_read_written_and_vacuumed_at_once() -> Result {
    let database = Database::alone("classes-concurrency")?;
    let mut client = database.client()?;
    for_each_case(|case| {
        case.create_table(&mut client, FIRST)?;
        case.build(&mut client)?;
        let end = Instant::now() + duration() / (5 * CASES.len() as u32);
        database.in_threads(5, |client, number| {
            for step in (0..).take_while(|_| Instant::now() < end) {
                let id = FIRST + 2 * step + number as i32;
                match number {
                    0 | 1 => case.add(client, id..id + 1)?,
                    2 => case.remove(client, &first(step % 40))?,
                    _ => ensure!(
                        !case.nearest(client, 2 * step + number as i32, 20)?.ids.is_empty(),
                        "no rows"
                    ),
                }
            }
            Ok(())
        })?;
        case.examine(&mut client, "afterwards")?;
        case.mend(&mut client)
    })
}
