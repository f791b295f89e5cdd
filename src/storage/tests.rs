//! The graph on pages as a whole: what is inserted, removed and vacuumed, by many at once, is found or gone.

use super::items::{Items, for_each_tuple};
use super::kind::NewLink;
use super::page::item_size_for;
use super::testing::*;
use super::tuples::change_tuple;
use super::*;
use crate::hnsw::Params;
use crate::hnsw::memory::Random;
use crate::metric::Metric;
use half::f16;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const PARAMS: Params = Params { m: 8, ef_construction: 40 };

/// Fused nodes in all geometries and code widths, and plain ones of every type of value.
const SHAPES: [(Space, usize); 12] = [
    (space(ValueType::Floats, Metric::L2), 12),
    (space(ValueType::Floats, Metric::InnerProduct), 70),
    (space(ValueType::Floats, Metric::Cosine), 70),
    (space(ValueType::Floats, Metric::L2), 310),
    (space(ValueType::Floats, Metric::L1), 12),
    (space(ValueType::Halves, Metric::L1), 13),
    (space(ValueType::Bits, Metric::Hamming), 300),
    (space(ValueType::Bits, Metric::Jaccard), 301),
    (space(ValueType::Sparse, Metric::L2), 12),
    (space(ValueType::Sparse, Metric::InnerProduct), 70),
    (space(ValueType::Sparse, Metric::Cosine), 30),
    (space(ValueType::Sparse, Metric::L1), 12),
];

/// A bed with all rows inserted, and all of them linked.
fn filled<K: Kind + Sync>(bed: &Bed, kind: &K) -> Vec<usize> {
    let rows: Vec<usize> = (0..bed.rows.len()).collect();
    bed.fill(kind, &rows);
    link_unreachable(&bed.pages, kind).expect("a sound graph");
    rows
}

#[test]
fn what_is_inserted_by_many_at_once_is_sound_and_found() {
    for (metric, dimensions) in SHAPES {
        let (rows, queries) = clustered(800, dimensions, 1);
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let rows = filled(&bed, kind);
            let report = bed.check_clean(kind, &rows);
            assert!(report.average_degree() > 8.0, "{}", report.average_degree());
            assert!(report.statistics.levels.len() > 1);
            let recall = bed.recall(kind, &queries, &rows, 40);
            assert!(recall > 0.95, "{metric:?} {dimensions}: {recall}");
        });
    }
}

#[test]
fn who_is_given_up_for_a_new_node_is_linked_to_it_instead() {
    for (metric, dimensions) in SHAPES {
        let bed = Bed::new(metric, PARAMS, clustered(2000, dimensions, 15).0);
        with_kind!(bed.meta, kind => {
            let mut planner = planner_for(kind);
            (0..bed.rows.len()).for_each(|row| bed.insert(kind, &mut planner, row));
            let report = check(&bed.pages, kind, 20).expect("a readable index");
            // Without that, 12.8 and 27 at the most.
            assert!(report.average_degree() > 13.0, "{metric:?} {dimensions}: {}", report.average_degree());
            // No insertion cuts anybody off, but for inner product, where nodes may be nobody's neighbour.
            let most = if kind.forces_ways_in() { 0 } else { 10 };
            assert!(report.statistics.unreachable <= most, "{metric:?}: {}", report.statistics.unreachable);
        });
    }
}

#[test]
fn a_search_ends_early_but_not_before_it_visited_as_many_nodes_as_asked() {
    for (metric, ends_early) in [(Metric::L2, true), (Metric::Cosine, true), (Metric::InnerProduct, false)] {
        let (rows, queries) = clustered(2000, 310, 21);
        let bed = Bed::new(space(ValueType::Floats, metric), PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let mut planner = planner_for(kind);
            (0..bed.rows.len()).for_each(|row| bed.insert(kind, &mut planner, row));
            for ef in [20, 40, 100] {
                let visits = queries.iter().map(|query| bed.visits(kind, query, ef));
                let early: Vec<u64> =
                    visits.filter(|&(_, leaves_a_tail)| leaves_a_tail).map(|(visits, _)| visits).collect();
                assert_eq!(!early.is_empty(), ends_early, "{metric:?} {ef}");
                assert!(early.iter().all(|&visits| visits >= ef as u64), "{metric:?} {ef}: {early:?}");
            }
        });
    }
}

/// Two nodes nearest to each other, and only known to each other, one of which has a tuple on level 1, by which searches come
/// down to it.
#[test]
fn nodes_that_lead_to_each_other_only_are_linked_from_elsewhere() {
    for (metric, higher_is_first) in
        [(Metric::L2, true), (Metric::L2, false), (Metric::L1, true), (Metric::L1, false)]
    {
        let bed = Bed::new(metric, PARAMS, clustered(300, 12, 21).0);
        with_kind!(bed.meta, kind => {
            let rows = filled(&bed, kind);
            // Vectors and neighbours on the base level; the tuples on level 1 of nodes; those which have one on level 2.
            let (mut base, mut level_1, mut higher) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
            for block in Items::of(&bed.pages).expect("a sound graph").blocks() {
                for_each_tuple(&bed.pages, kind, block, |tid, tuple| {
                    match (tuple.header().level(), tuple.header().below()) {
                        (1, Some(below)) => drop(level_1.insert(below, tid)),
                        (2, Some(below)) => drop(higher.insert(below)),
                        (0, _) => {
                            let neighbours: Vec<IndexTid> = tuple.neighbours().collect();
                            base.insert(tid, (kind.own(tuple), neighbours));
                        }
                        _ => (),
                    }
                })
                .expect("a sound graph");
            }
            assert!(!higher.is_empty(), "nodes that are on level 1 at the most are not the entry point");
            let nearest = |to: IndexTid| {
                let others = base.iter().filter(|(tid, _)| **tid != to);
                let distances = others.map(|(tid, (own, _))| (kind.between(own, &base[&to].0), *tid));
                distances.min_by(|one, other| one.0.total_cmp(&other.0)).expect("other nodes").1
            };
            let pair = level_1.iter().filter(|(_, tuple)| !higher.contains(tuple)).find_map(|(&one, _)| {
                let other = nearest(one);
                let is_plain = !level_1.contains_key(&other) && nearest(other) == one;
                (is_plain && (one < other) == higher_is_first).then_some([one, other])
            });
            let [one, other] = pair.expect("there is such a pair");
            for (&tid, (own, neighbours)) in &base {
                let left: Vec<IndexTid> = match tid {
                    tid if tid == one => vec![other],
                    tid if tid == other => vec![one],
                    _ => neighbours.iter().copied().filter(|&to| to != one && to != other).collect(),
                };
                let link = |to| NewLink { to, own: &base[&to].0, is_filler: false };
                let links: Vec<_> = left.into_iter().map(link).collect();
                change_tuple(&bed.pages, tid, |tuple| {
                    kind.set_links(0, tuple, &mut kind.target(own, None), &links);
                    Ok(Some(()))
                })
                .expect("a sound graph");
            }
            let cut_off = check(&bed.pages, kind, 20).expect("a readable index").statistics.unreachable;
            assert_eq!(cut_off, 2);
            link_unreachable(&bed.pages, kind).expect("a sound graph");
            bed.check_clean(kind, &rows);
        });
    }
}

#[test]
fn a_vacuumed_graph_is_as_good_as_a_new_one() {
    let beds = SHAPES.map(|(metric, dimensions)| (metric, clustered(1200, dimensions, 2)));
    let text = (Metric::Cosine.into(), embeddings(1500));
    for (metric, (rows, queries)) in beds.into_iter().chain([text]) {
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let rows = filled(&bed, kind);
            let left = sample(rows.len(), 0.25, 3);
            // Rows that are gone make good queries, of which there cannot be too many.
            let gone = bed.rows.iter().enumerate().filter(|(row, _)| left.binary_search(row).is_err());
            let queries: Vec<_> = gone.map(|(_, vector)| vector.clone()).chain(queries).take(400).collect();
            let (removed, _) = bed.vacuum(kind, |row| left.binary_search(&row).is_err());
            assert_eq!((removed.rows_left, removed.rows_removed), (left.len() as u64, (rows.len() - left.len()) as u64));
            bed.check_clean(kind, &left);
            let fresh = Bed::new(metric, PARAMS, bed.rows.clone());
            fresh.fill(kind, &left);
            for ef in [10, 20, 40] {
                let [after, expected] = [&bed, &fresh].map(|bed| bed.recall(kind, &queries, &left, ef));
                assert!(after >= expected - 0.02, "{metric:?}, ef {ef}: {after} against {expected}");
            }
        });
    }
}

#[test]
fn rows_come_back_into_the_place_of_those_that_went() {
    for (metric, dimensions) in [
        (Metric::L2.into(), 12),
        (Metric::Cosine.into(), 310),
        (Metric::L2.into(), 768),
        (Metric::L1.into(), 310),
        (space(ValueType::Bits, Metric::Jaccard), 900),
        (space(ValueType::Sparse, Metric::L2), 100),
    ] {
        let (rows, queries) = clustered(600, dimensions, 4);
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let rows = filled(&bed, kind);
            let pages = bed.pages.blocks();
            for round in 0..3 {
                let left = sample(rows.len(), 0.25, 5 + round);
                let gone: Vec<usize> = rows.iter().copied().filter(|row| left.binary_search(row).is_err()).collect();
                bed.vacuum(kind, |row| left.binary_search(&row).is_err());
                bed.check_clean(kind, &left);
                bed.fill(kind, &gone);
                bed.check(kind, &rows);
            }
            let recall = bed.recall(kind, &queries, &rows, 40);
            assert!(recall > 0.95, "{metric:?} {dimensions}: {recall}");
            assert!(f64::from(bed.pages.blocks()) <= 1.05 * f64::from(pages), "{} after {pages}", bed.pages.blocks());
        });
    }
}

#[test]
fn an_index_can_be_emptied_and_filled_again() {
    for (metric, dimensions) in SHAPES {
        let (rows, queries) = clustered(300, dimensions, 6);
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            bed.check_clean(kind, &[]);
            bed.vacuum(kind, |_| true);
            let rows = filled(&bed, kind);
            let pages = bed.pages.blocks();
            bed.vacuum(kind, |_| true);
            let report = bed.check_clean(kind, &[]);
            assert!(report.statistics.levels.is_empty());
            assert!(bed.search(kind, &queries[0], 10).is_empty());
            bed.fill(kind, &rows);
            bed.check(kind, &rows);
            assert!(bed.pages.blocks() <= pages + 1);
            assert!(bed.recall(kind, &queries, &rows, 40) > 0.95);
        });
    }
}

#[test]
fn a_vacuum_that_removes_nothing_sees_every_row_once_and_writes_nothing() {
    let (mut rows, _) = clustered(300, 12, 7);
    rows.extend(vec![rows[0].clone(); 25]);
    let bed = Bed::new(Metric::L2, PARAMS, rows);
    with_kind!(bed.meta, kind => {
        let rows = filled(&bed, kind);
        let unwritable = Failing::after(0, &bed.pages);
        let mut seen = Vec::new();
        let mut removed = remove_rows(&unwritable, kind, &mut |tid| {
            seen.push(tid.block as usize);
            false
        }).expect("no change");
        seen.sort();
        assert_eq!(seen, rows);
        assert_eq!((removed.rows_left, removed.rows_removed, removed.has_remains()), (325, 0, false));
        let cleaned = clean_up(&unwritable, kind, &mut removed, &mut || Ok(()), &mut |_, _| ()).expect("no change");
        assert_eq!(cleaned, Cleaned::default());
    });
}

#[test]
fn equal_rows_share_nodes_and_leave_them_one_by_one() {
    let spaces = [Metric::L2, Metric::Cosine, Metric::L1].map(Space::from);
    for metric in spaces.into_iter().chain([space(ValueType::Sparse, Metric::Cosine)]) {
        let (mut rows, _) = clustered(200, 12, 8);
        rows.extend(vec![rows[7].clone(); 19]);
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let rows: Vec<usize> = (0..219).collect();
            let mut planner = planner_for(kind);
            // One after the other: those inserted at the same moment do not see each other.
            rows.iter().for_each(|&row| bed.insert(kind, &mut planner, row));
            assert_eq!(bed.check_clean(kind, &rows).statistics.levels[0], 201);
            assert_eq!(bed.search(kind, &bed.rows[7], 2).len(), 20);
            // Half of them, some from each node.
            bed.vacuum(kind, |row| row >= 200 && row % 2 == 0);
            let mut left: Vec<usize> = rows.iter().copied().filter(|row| *row < 200 || row % 2 == 1).collect();
            assert_eq!(bed.check_clean(kind, &left).statistics.levels[0], 201);
            // They come back without a new node.
            for row in (200..219).filter(|row| row % 2 == 0) {
                bed.insert(kind, &mut planner, row);
            }
            assert_eq!(bed.check_clean(kind, &rows).statistics.levels[0], 201);
            bed.vacuum(kind, |row| row == 7 || row >= 200);
            left.retain(|&row| row != 7 && row < 200);
            assert_eq!(bed.check_clean(kind, &left).statistics.levels[0], 199);
        });
    }
}

#[test]
fn many_equal_rows_do_not_cut_off_the_others() {
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct, Metric::L1] {
        let (mut rows, queries) = clustered(400, 12, 15);
        rows.extend(vec![rows[7].clone(); 1200]);
        for seed in [None, Some(16)] {
            seed.into_iter().for_each(|seed| Random::new(seed).shuffle(&mut rows));
            let bed = Bed::new(metric, PARAMS, rows.clone());
            with_kind!(bed.meta, kind => {
                let rows = filled(&bed, kind);
                bed.check_clean(kind, &rows);
                let recall = bed.recall(kind, &queries, &rows, 40);
                assert!(recall > 0.95, "{metric:?}, {seed:?}: {recall}");
            });
        }
    }
}

#[test]
fn nodes_larger_than_a_page_are_removed_with_all_their_pieces() {
    for (metric, dimensions, count) in [
        (Metric::L2.into(), 2000, 60),
        (Metric::Cosine.into(), 5000, 40),
        (Metric::InnerProduct.into(), 16_000, 12),
        (Metric::L1.into(), 5000, 40),
        (space(ValueType::Halves, Metric::L1), 9999, 40),
        (space(ValueType::Bits, Metric::Hamming), 64_000, 40),
        (space(ValueType::Sparse, Metric::L1), 2000, 40),
    ] {
        let (rows, queries) = clustered(count, dimensions, 9);
        let bed = Bed::new(metric, Params { m: 16, ..PARAMS }, rows);
        with_kind!(bed.meta, kind => {
            let rows = filled(&bed, kind);
            let whole = bed.check_clean(kind, &rows).statistics;
            assert!(whole.pieces >= whole.levels[0]);
            let pages = bed.pages.blocks();
            let left = sample(rows.len(), 0.5, 10);
            bed.vacuum(kind, |row| left.binary_search(&row).is_err());
            assert!(bed.check_clean(kind, &left).statistics.pieces <= whole.pieces * 3 / 4);
            let gone: Vec<usize> = rows.iter().copied().filter(|row| left.binary_search(row).is_err()).collect();
            bed.fill(kind, &gone);
            bed.check(kind, &rows);
            assert!(bed.pages.blocks() <= pages + pages / 20);
            assert!(bed.recall(kind, &queries[..10], &rows, 40) > 0.95);
            bed.vacuum(kind, |_| true);
            let empty = bed.check_clean(kind, &[]).statistics;
            let free_bytes_of_a_page = item_size_for(1) as u64 + 8;
            assert_eq!(empty.free_bytes, u64::from(empty.pages - 1) * free_bytes_of_a_page);
        });
    }
}

/// Each thread inserts rows of its own, searches, and now and then lets rows of its own die, while another vacuums.
#[test]
fn rows_come_and_go_while_others_search_and_vacuum() {
    for (seed, (metric, dimensions)) in (20..).zip(SHAPES) {
        let (rows, queries) = clustered(1600, dimensions, seed);
        let bed = Bed::new(metric, PARAMS, rows);
        with_kind!(bed.meta, kind => {
            let (first, later): (Vec<usize>, Vec<usize>) = (0..1600).partition(|row| *row < 400);
            bed.fill(kind, &first);
            let mut present: BTreeSet<usize> = first.into_iter().collect();
            let mut random = Random::new(seed);
            for batch in later.chunks(300) {
                // Three of four in most rounds, and once all.
                let everything = batch[0] == 1000;
                let dead: BTreeSet<usize> =
                    present.iter().copied().filter(|_| everything || random.below(4) > 0).collect();
                let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
                std::thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| {
                            let mut planner = planner_for(kind);
                            while let Some(&row) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                                bed.insert(kind, &mut planner, row);
                            }
                        });
                    }
                    scope.spawn(|| {
                        for query in queries.iter().cycle() {
                            let found = bed.search(kind, query, 20);
                            let mut distinct = found.clone();
                            distinct.sort();
                            distinct.dedup();
                            assert_eq!(found.len(), distinct.len());
                            if done.load(Ordering::Relaxed) {
                                break;
                            }
                        }
                    });
                    bed.vacuum(kind, |row| dead.contains(&row));
                    done.store(true, Ordering::Relaxed);
                });
                present.extend(batch);
                present.retain(|row| !dead.contains(row));
                let rows: Vec<usize> = present.iter().copied().collect();
                let report = bed.check(kind, &rows);
                assert_eq!((report.statistics.dead, report.statistics.links_to_dead), (0, 0));
                link_unreachable(&bed.pages, kind).expect("a sound graph");
                let report = bed.check_clean(kind, &rows);
                assert_eq!(report.statistics.unreachable, 0);
                let recall = bed.recall(kind, &queries, &rows, 40);
                assert!(recall > 0.93, "{metric:?} {dimensions}: {recall}");
            }
        });
    }
}

/// What is left after an interruption at any change is searched, inserted into, and cleaned up by the next vacuum.
fn interrupt_everywhere(metric: Space, rows: Vec<Vec<f32>>, dead: impl Fn(usize) -> bool, step: usize) {
    let count = rows.len() - 4;
    let mut changes = 0;
    loop {
        let bed = Bed::new(metric, PARAMS, rows.clone());
        let is_finished = with_kind!(bed.meta, kind => {
            let mut planner = planner_for(kind);
            (0..count).for_each(|row| bed.insert(kind, &mut planner, row));
            let failing = Failing::after(changes, &bed.pages);
            let vacuumed = bed.vacuum_in(&failing, kind, &dead);
            assert!(matches!(vacuumed, Ok(_) | Err(Error::Cancelled)));
            let mut left: Vec<usize> = (0..count).filter(|&row| !dead(row)).collect();
            let report = check(&bed.pages, kind, 20).expect("a readable index");
            assert_eq!(report.errors, 0, "after {changes} changes: {report:#?}");
            assert!(left.is_empty() || !bed.search(kind, &bed.rows[left[0]], 10).is_empty());
            for row in count..rows.len() {
                bed.insert(kind, &mut planner, row);
                left.push(row);
            }
            let report = check(&bed.pages, kind, 20).expect("a readable index");
            assert_eq!(report.errors, 0, "after {changes} changes: {report:#?}");
            bed.vacuum(kind, &dead);
            bed.check_clean(kind, &left);
            vacuumed.is_ok()
        });
        if is_finished {
            assert!(changes > 0);
            return;
        }
        changes += step;
    }
}

#[test]
fn an_interrupted_vacuum_is_finished_by_the_next() {
    for (metric, dimensions) in [
        (Metric::L2.into(), 12),
        (Metric::Cosine.into(), 310),
        (Metric::L1.into(), 12),
        (space(ValueType::Bits, Metric::Hamming), 300),
        (space(ValueType::Sparse, Metric::L2), 100),
    ] {
        let rows = clustered(64, dimensions, 11).0;
        interrupt_everywhere(metric, rows.clone(), |row| row % 4 != 0 && row < 60, 1);
        interrupt_everywhere(metric, rows, |row| row < 60, 1);
    }
}

#[test]
fn an_interrupted_vacuum_of_large_nodes_is_finished_by_the_next() {
    for (metric, dimensions) in
        [(Metric::L2.into(), 2500), (Metric::L1.into(), 5000), (space(ValueType::Sparse, Metric::L2), 2500)]
    {
        let rows = clustered(20, dimensions, 12).0;
        interrupt_everywhere(metric, rows, |row| row % 2 == 0 && row < 16, 1);
    }
}

#[test]
fn an_interrupted_insertion_is_cleaned_up_by_the_next_vacuum() {
    for (metric, dimensions) in [
        (Metric::L2.into(), 12),
        (Metric::L2.into(), 2500),
        (Metric::L1.into(), 5000),
        (space(ValueType::Sparse, Metric::L2), 2500),
    ] {
        let rows = clustered(24, dimensions, 13).0;
        for changes in 0.. {
            let bed = Bed::new(metric, PARAMS, rows.clone());
            let is_finished = with_kind!(bed.meta, kind => {
                let mut planner = planner_for(kind);
                // The first rows, too, are inserted into a graph where that may fail.
                let interrupted = [0, 15, 16].map(|row| {
                    let others = if row == 0 { 1..1 } else { 1..15 };
                    others.for_each(|other| if row == 15 { bed.insert(kind, &mut planner, other) });
                    bed.insert_into(&Failing::after(changes, &bed.pages), kind, &mut planner, row).is_err()
                });
                let report = check(&bed.pages, kind, 20).expect("a readable index");
                assert_eq!(report.errors, 0, "after {changes} changes: {report:#?}");
                let dead = |row| row == 1 || [0, 15, 16].contains(&row);
                bed.vacuum(kind, dead);
                bed.check_clean(kind, &(2..15).collect::<Vec<_>>());
                !interrupted.contains(&true)
            });
            if is_finished {
                break;
            }
        }
    }
}

/// Changes the bytes of the first item that a check looks at, and returns what it says.
fn after_damage<K: Kind>(bed: &Bed, kind: &K, damage: impl Fn(&mut [u8])) -> (Vec<Finding>, bool) {
    let block = 1;
    let before = bed.pages.read(block).expect("a page").item(1).expect("an item").to_vec();
    let write = |bytes: &dyn Fn(&mut [u8])| {
        let written = bed.pages.change(&[block], |pages| Ok(pages[0].item_mut(1).map(bytes)));
        assert!(matches!(written, Ok(Some(()))));
    };
    write(&damage);
    let report = check(&bed.pages, kind, 100).expect("a readable index");
    write(&|item| item.copy_from_slice(&before));
    let says_so = report.findings.iter().any(|finding| finding.at == IndexTid { block, offset: 1 });
    (report.findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect(), says_so)
}

/// What a check says, and after which damage to an item.
type Damage<'a> = (&'a str, &'a dyn Fn(&mut [u8]));

#[test]
fn damage_is_found_where_it_is() {
    for (metric, dimensions) in SHAPES {
        let bed = Bed::new(metric, PARAMS, clustered(300, dimensions, 14).0);
        with_kind!(bed.meta, kind => {
            filled(&bed, kind);
            let tid = IndexTid { block: 1, offset: 1 };
            let is_plain = bed.meta.kind == NodeKind::Plain;
            let vector = if is_plain { 80 } else { 108 };
            let address = |tuple: &[u8]| {
                let neighbour = kind.view(0, tuple).and_then(|view| view.neighbours().next()).expect("a link");
                let mut places = tuple.windows(6).skip(80);
                80 + if is_plain {
                    places.position(|bytes| bytes == neighbour.to_bytes()).expect("its address")
                } else {
                    places.rposition(|bytes| bytes == neighbour.to_bytes()).expect("its address")
                }
            };
            let point_to = |item: &mut [u8], to: IndexTid| {
                let at = address(item);
                item[at..at + 6].copy_from_slice(&to.to_bytes());
            };
            let other = |item: &mut [u8]| kind.view(0, item).and_then(|view| view.neighbours().nth(1)).expect("two links");
            let damages: [Damage; 7] = [
                ("linked to itself", &|item| point_to(item, tid)),
                ("no node at (70000,1)", &|item| point_to(item, IndexTid { block: 70_000, offset: 1 })),
                ("linked to a neighbour twice", &|item| {
                    let other = other(item);
                    point_to(item, other)
                }),
                ("not a node", &|item| item[0] = 77),
                ("size or number of links", &|item| item[5] = 77),
                ("no rows", &|item| item[2] = 0),
                ("code of a neighbour", &|item| item[vector..vector + 10].iter_mut().for_each(|byte| *byte ^= 0xff)),
            ];
            for (text, damage) in damages {
                let (errors, says_so) = after_damage(&bed, kind, damage);
                let is_told = errors.iter().any(|finding| finding.text.contains(text));
                assert!(is_told && says_so || is_plain && text == "code of a neighbour", "{metric:?}: {text}: {errors:?}");
            }
            bed.check_clean(kind, &(0..300).collect::<Vec<_>>());
        });
    }
}

/// Half-precision numbers that are hard to add up: subnormal, greatest, and ordinary ones beside them.
const HOSTILE_HALVES: [f32; 10] =
    [65_504.0, -65_504.0, 5.960_464_5e-8, -5.960_464_5e-8, 6.1e-5, 0.0, -0.0, 1.0, 0.333_251_95, -2048.0];

/// Indexes on `halfvec` have fused nodes, made from floats. What they promise of distances holds for those of halves.
#[test]
fn bounds_hold_for_what_the_operators_of_halves_return() {
    let halves = |metric| space(ValueType::Halves, metric);
    for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
        for dimensions in [1, 3, 17, 100, 385, 1000] {
            let mut random = Random::new(31);
            let mut vector = |row: usize| -> Vec<f32> {
                let ordinary = random.normal();
                let mut element = |i: usize| match row % 5 {
                    0 => HOSTILE_HALVES[random.below(10)],
                    1 => HOSTILE_HALVES[row / 5 % 10],
                    2 if i == 0 => HOSTILE_HALVES[random.below(10)],
                    3 => ordinary + 1e-3 * random.normal(),
                    _ => random.normal(),
                };
                (0..dimensions).map(&mut element).map(|x| f16::from_f32(x).to_f32()).collect()
            };
            let rows: Vec<Vec<f32>> = (0..60).map(&mut vector).collect();
            let meta = Meta::new(metric, ValueType::Floats, dimensions, PARAMS);
            let kind = fused(&meta);
            for row in &rows {
                let own = kind.stored(&kind.query(&Space::from(metric).value_of(row)));
                let mut tuple = vec![0; kind.size(0, &own).0];
                let pieces = vec![IndexTid { block: 1, offset: 1 }; kind.size(0, &own).1];
                super::node::HeaderMut(&mut tuple).initialise(NodeKind::Fused, 0, None, &pieces);
                kind.set_own(0, &mut tuple, &own);
                for query in &rows {
                    let node = kind.view(0, &tuple).expect("a node");
                    let measured = kind.measure(&kind.query(&Space::from(metric).value_of(query)), node);
                    let [a, b] = [query, row].map(|x| halves(metric).value_of(x));
                    let exact = halves(metric).distance(&a, &b);
                    let holds = measured.lower <= exact && exact <= measured.upper;
                    assert!(
                        holds || exact.is_nan() && measured.upper == f64::INFINITY,
                        "{metric:?} {measured:?} {exact}"
                    );
                }
            }
        }
    }
}
